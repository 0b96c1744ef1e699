"""Attaches a lake read-only with DuckDB, as an analyst would, and counts its readings by device and measure, as JSON.

usage: lake_counts.py CATALOG      CATALOG: sqlite:PATH or postgres:CONNECTION STRING
"""

import json
import os
import sys

import duckdb
import duckdb_ext


def main(catalog):
    # The extensions come with their packages: nothing is fetched.
    directory = os.path.join(list(duckdb_ext.__path__)[0], "extensions")
    db = duckdb.connect(config={"extension_directory": directory, "autoinstall_known_extensions": "false"})
    db.execute("LOAD ducklake")
    db.execute("LOAD sqlite_scanner" if catalog.startswith("sqlite:") else "LOAD postgres_scanner")
    db.execute(f"ATTACH 'ducklake:{catalog}' AS lake (READ_ONLY)")
    rows = db.execute(
        "SELECT device_id, measure, count(*), round(sum(value), 3) FROM lake.readings GROUP BY ALL ORDER BY device_id, measure"
    ).fetchall()
    print(json.dumps([dict(zip(["device_id", "measure", "n", "total"], row)) for row in rows]))


main(sys.argv[1])
