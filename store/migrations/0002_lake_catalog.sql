-- A DuckLake catalog, format version 0.3, as the readers of that format expect it: table and column names, meanings and
-- the text forms of times and identifiers are theirs. {lake_time} and {lake_uuid} are native in PostgreSQL and text in
-- SQLite; {lake_bool} is a number in SQLite.

CREATE TABLE ducklake_metadata (key VARCHAR NOT NULL, value VARCHAR NOT NULL, scope VARCHAR, scope_id BIGINT);
CREATE TABLE ducklake_snapshot (
    snapshot_id BIGINT PRIMARY KEY, snapshot_time {lake_time}, schema_version BIGINT, next_catalog_id BIGINT,
    next_file_id BIGINT
);
CREATE TABLE ducklake_snapshot_changes (
    snapshot_id BIGINT PRIMARY KEY, changes_made VARCHAR, author VARCHAR, commit_message VARCHAR,
    commit_extra_info VARCHAR
);
CREATE TABLE ducklake_schema (
    schema_id BIGINT PRIMARY KEY, schema_uuid {lake_uuid}, begin_snapshot BIGINT, end_snapshot BIGINT,
    schema_name VARCHAR, path VARCHAR, path_is_relative {lake_bool}
);
CREATE TABLE ducklake_table (
    table_id BIGINT, table_uuid {lake_uuid}, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT,
    table_name VARCHAR, path VARCHAR, path_is_relative {lake_bool}
);
CREATE TABLE ducklake_view (
    view_id BIGINT, view_uuid {lake_uuid}, begin_snapshot BIGINT, end_snapshot BIGINT, schema_id BIGINT,
    view_name VARCHAR, dialect VARCHAR, sql VARCHAR, column_aliases VARCHAR
);
CREATE TABLE ducklake_tag (object_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR);
CREATE TABLE ducklake_column_tag (
    table_id BIGINT, column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, key VARCHAR, value VARCHAR
);
CREATE TABLE ducklake_data_file (
    data_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, file_order BIGINT,
    path VARCHAR, path_is_relative {lake_bool}, file_format VARCHAR, record_count BIGINT, file_size_bytes BIGINT,
    footer_size BIGINT, row_id_start BIGINT, partition_id BIGINT, encryption_key VARCHAR, partial_file_info VARCHAR,
    mapping_id BIGINT
);
CREATE TABLE ducklake_file_column_stats (
    data_file_id BIGINT, table_id BIGINT, column_id BIGINT, column_size_bytes BIGINT, value_count BIGINT,
    null_count BIGINT, min_value VARCHAR, max_value VARCHAR, contains_nan {lake_bool}, extra_stats VARCHAR
);
CREATE TABLE ducklake_delete_file (
    delete_file_id BIGINT PRIMARY KEY, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, data_file_id BIGINT,
    path VARCHAR, path_is_relative {lake_bool}, format VARCHAR, delete_count BIGINT, file_size_bytes BIGINT,
    footer_size BIGINT, encryption_key VARCHAR
);
CREATE TABLE ducklake_column (
    column_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT, table_id BIGINT, column_order BIGINT,
    column_name VARCHAR, column_type VARCHAR, initial_default VARCHAR, default_value VARCHAR,
    nulls_allowed {lake_bool}, parent_column BIGINT
);
CREATE TABLE ducklake_table_stats (table_id BIGINT, record_count BIGINT, next_row_id BIGINT, file_size_bytes BIGINT);
CREATE TABLE ducklake_table_column_stats (
    table_id BIGINT, column_id BIGINT, contains_null {lake_bool}, contains_nan {lake_bool}, min_value VARCHAR,
    max_value VARCHAR, extra_stats VARCHAR
);
CREATE TABLE ducklake_partition_info (
    partition_id BIGINT, table_id BIGINT, begin_snapshot BIGINT, end_snapshot BIGINT
);
CREATE TABLE ducklake_partition_column (
    partition_id BIGINT, table_id BIGINT, partition_key_index BIGINT, column_id BIGINT, transform VARCHAR
);
CREATE TABLE ducklake_file_partition_value (
    data_file_id BIGINT, table_id BIGINT, partition_key_index BIGINT, partition_value VARCHAR
);
CREATE TABLE ducklake_files_scheduled_for_deletion (
    data_file_id BIGINT, path VARCHAR, path_is_relative {lake_bool}, schedule_start {lake_time}
);
CREATE TABLE ducklake_inlined_data_tables (table_id BIGINT, table_name VARCHAR, schema_version BIGINT);
CREATE TABLE ducklake_column_mapping (mapping_id BIGINT, table_id BIGINT, type VARCHAR);
CREATE TABLE ducklake_name_mapping (
    mapping_id BIGINT, column_id BIGINT, source_name VARCHAR, target_field_id BIGINT, parent_column BIGINT,
    is_partition {lake_bool}
);
CREATE TABLE ducklake_schema_versions (begin_snapshot BIGINT, schema_version BIGINT);

-- Snapshot 0 makes the schema, snapshot 1 the table. Their times are the beginning of time because the catalog's clock is
-- the journal's, and nothing has been applied yet. `data_path` is set at every start.
INSERT INTO ducklake_metadata (key, value) VALUES
    ('version', '0.3'), ('created_by', 'painwatch'), ('data_path', ''), ('encrypted', 'false');
INSERT INTO ducklake_snapshot VALUES (0, '1970-01-01 00:00:00+00', 0, 1, 0), (1, '1970-01-01 00:00:00+00', 1, 2, 0);
INSERT INTO ducklake_snapshot_changes (snapshot_id, changes_made) VALUES
    (0, 'created_schema:"main"'), (1, 'created_table:"main"."readings"');
INSERT INTO ducklake_schema VALUES (0, '7b1f6d5e-3c0a-4e1b-9f27-5d0c8a6e4b10', 0, NULL, 'main', 'main/', TRUE);
INSERT INTO ducklake_table VALUES
    (1, 'c2a94e70-58d3-4f6c-8b1e-0a7d3f925c61', 1, NULL, 0, 'readings', 'readings/', TRUE);
INSERT INTO ducklake_schema_versions VALUES (0, 0), (1, 1);
INSERT INTO ducklake_table_stats VALUES (1, 0, 0, 0);
INSERT INTO ducklake_column (column_id, begin_snapshot, table_id, column_order, column_name, column_type, nulls_allowed)
VALUES
    (1, 1, 1, 1, 'tenant_id', 'varchar', FALSE),
    (2, 1, 1, 2, 'time', 'timestamptz', FALSE),
    (3, 1, 1, 3, 'end_time', 'timestamptz', TRUE),
    (4, 1, 1, 4, 'device_time', 'timestamptz', FALSE),
    (5, 1, 1, 5, 'zone', 'varchar', FALSE),
    (6, 1, 1, 6, 'received_at', 'timestamptz', FALSE),
    (7, 1, 1, 7, 'patient_id', 'varchar', TRUE),
    (8, 1, 1, 8, 'device_id', 'varchar', FALSE),
    (9, 1, 1, 9, 'gateway_id', 'varchar', FALSE),
    (10, 1, 1, 10, 'measure', 'varchar', FALSE),
    (11, 1, 1, 11, 'value', 'float64', TRUE),
    (12, 1, 1, 12, 'value_code', 'varchar', TRUE),
    (13, 1, 1, 13, 'unit', 'varchar', FALSE),
    (14, 1, 1, 14, 'body_site', 'varchar', TRUE),
    (15, 1, 1, 15, 'laterality', 'varchar', TRUE),
    (16, 1, 1, 16, 'modality', 'varchar', TRUE),
    (17, 1, 1, 17, 'status', 'varchar', FALSE),
    (18, 1, 1, 18, 'revision', 'int64', FALSE),
    (19, 1, 1, 19, 'quality', 'varchar', FALSE),
    (20, 1, 1, 20, 'seq', 'int64', TRUE),
    (21, 1, 1, 21, 'reading_id', 'varchar', FALSE),
    (22, 1, 1, 22, 'batch_id', 'varchar', FALSE),
    (23, 1, 1, 23, 'known_from', 'int64', FALSE),
    (24, 1, 1, 24, 'attributes', 'varchar', FALSE);

-- Readers want a row for each column; bounds are kept for each file only, where they serve to skip it.
INSERT INTO ducklake_table_column_stats (table_id, column_id, contains_null, contains_nan) VALUES
    (1, 1, FALSE, NULL),
    (1, 2, FALSE, NULL),
    (1, 3, TRUE, NULL),
    (1, 4, FALSE, NULL),
    (1, 5, FALSE, NULL),
    (1, 6, FALSE, NULL),
    (1, 7, TRUE, NULL),
    (1, 8, FALSE, NULL),
    (1, 9, FALSE, NULL),
    (1, 10, FALSE, NULL),
    (1, 11, TRUE, FALSE),
    (1, 12, TRUE, NULL),
    (1, 13, FALSE, NULL),
    (1, 14, TRUE, NULL),
    (1, 15, TRUE, NULL),
    (1, 16, TRUE, NULL),
    (1, 17, FALSE, NULL),
    (1, 18, FALSE, NULL),
    (1, 19, FALSE, NULL),
    (1, 20, TRUE, NULL),
    (1, 21, FALSE, NULL),
    (1, 22, FALSE, NULL),
    (1, 23, FALSE, NULL),
    (1, 24, FALSE, NULL);
