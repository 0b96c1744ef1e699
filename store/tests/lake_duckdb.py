"""Attaches a lake read-only with DuckDB, as an analyst would, and prints what it sees as JSON.

usage: lake_duckdb.py CATALOG      CATALOG: sqlite:PATH or postgres:CONNECTION STRING
"""

import json
import os
import sys

import duckdb
import duckdb_ext


def main(catalog):
    # The extensions come with their packages: nothing is fetched.
    directory = os.path.join(list(duckdb_ext.__path__)[0], "extensions")
    config = {"extension_directory": directory, "autoinstall_known_extensions": "false"}
    db = duckdb.connect(config=config)
    db.execute("SET TimeZone = 'UTC'")
    db.execute("LOAD ducklake")
    db.execute("LOAD sqlite_scanner" if catalog.startswith("sqlite:") else "LOAD postgres_scanner")
    db.execute(f"ATTACH 'ducklake:{catalog}' AS lake (READ_ONLY)")

    def ask(sql):
        return db.execute(sql).fetchall()

    snapshots = [row[0] for row in ask("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1")]
    columns = ask(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_catalog = 'lake' AND table_name = 'readings' ORDER BY ordinal_position"
    )
    one_patient = (
        "SELECT count(*), sum(value), min(time)::VARCHAR, max(time)::VARCHAR FROM lake.readings"
        " WHERE patient_id = 'p-1' AND time >= TIMESTAMPTZ '2026-03-01 00:00:10+00'"
        " AND time < TIMESTAMPTZ '2026-03-01 00:00:20+00'"
    )
    result = {
        "columns": columns,
        "rows": ask("SELECT count(*) FROM lake.readings")[0][0],
        "distinct": ask("SELECT count(DISTINCT (reading_id, measure)) FROM lake.readings")[0][0],
        "revised": ask("SELECT count(*) FROM lake.readings WHERE revision > 0")[0][0],
        "without_patient": ask("SELECT count(*) FROM lake.readings WHERE patient_id IS NULL")[0][0],
        "one_patient": ask(one_patient)[0],
        "rows_by_snapshot": {
            n: ask(f"SELECT count(*) FROM lake.readings AT (VERSION => {n})")[0][0] for n in snapshots if n > 0
        },
    }
    print(json.dumps(result))


main(sys.argv[1])
