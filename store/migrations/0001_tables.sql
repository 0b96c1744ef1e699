-- {text}, {time}, {int}, {real}, {bool} and {bytes} are replaced by each engine's type; a line after {sqlite} or
-- {postgres} is for that engine only. Times: timestamptz in PostgreSQL,
-- UTC microseconds since 1970 in SQLite. Every unique key of a time series contains its time, so that partitions or
-- hypertables can come without another shape.

CREATE TABLE applied (
    consumer {text} PRIMARY KEY,
    next_offset {int} NOT NULL,
    journal_time {time} NOT NULL
);

CREATE TABLE blobs (
    kind {text} NOT NULL,
    key {text} NOT NULL,
    bytes {bytes} NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE readings (
    tenant_id {text} NOT NULL,
    time {time} NOT NULL,
    end_time {time},
    device_time {time} NOT NULL,
    zone {text} NOT NULL,
    received_at {time} NOT NULL,
    patient_id {text},
    device_id {text} NOT NULL,
    gateway_id {text} NOT NULL,
    measure {text} NOT NULL,
    value {real},
    value_code {text},
    unit {text} NOT NULL,
    body_site {text},
    laterality {text},
    modality {text},
    status {text} NOT NULL,
    revision {int} NOT NULL,
    quality {text} NOT NULL,
    seq {int},
    reading_id {text} NOT NULL,
    batch_id {text} NOT NULL,
    known_from {int} NOT NULL,
    attributes {text} NOT NULL
);
-- An identity is a random hash: a commit touches as many pages of an index by it as it has rows, and SQLite writes whole
-- pages. There the index holds eight digits only, and uniqueness is by patient and time (measured with 600,000 rows in
-- commits of 10,000: 0.8 GB written instead of 2.0).
{postgres} CREATE UNIQUE INDEX readings_identity ON readings (reading_id, measure, tenant_id, time);
{postgres} CREATE INDEX readings_series ON readings (patient_id, measure, time);
{sqlite} CREATE INDEX readings_identity ON readings (substr(reading_id, 1, 8));
{sqlite} CREATE UNIQUE INDEX readings_series ON readings (patient_id, measure, time, reading_id, tenant_id);
CREATE INDEX readings_known ON readings (known_from);

CREATE TABLE readings_history (
    tenant_id {text} NOT NULL,
    time {time} NOT NULL,
    end_time {time},
    device_time {time} NOT NULL,
    zone {text} NOT NULL,
    received_at {time} NOT NULL,
    patient_id {text},
    device_id {text} NOT NULL,
    gateway_id {text} NOT NULL,
    measure {text} NOT NULL,
    value {real},
    value_code {text},
    unit {text} NOT NULL,
    body_site {text},
    laterality {text},
    modality {text},
    status {text} NOT NULL,
    revision {int} NOT NULL,
    quality {text} NOT NULL,
    seq {int},
    reading_id {text} NOT NULL,
    batch_id {text} NOT NULL,
    known_from {int} NOT NULL,
    attributes {text} NOT NULL,
    known_to {int} NOT NULL,
    moved {text} NOT NULL
);
CREATE INDEX readings_history_identity ON readings_history (reading_id, measure, tenant_id, time);
CREATE INDEX readings_history_series ON readings_history (patient_id, measure, time);

CREATE TABLE medication_events (
    tenant_id {text} NOT NULL,
    time {time} NOT NULL,
    received_at {time} NOT NULL,
    patient_id {text},
    device_id {text} NOT NULL,
    reading_id {text} NOT NULL,
    medication {text} NOT NULL,
    event {text} NOT NULL,
    dose {real},
    dose_unit {text} NOT NULL,
    scheduled_for {time},
    status {text} NOT NULL,
    known_from {int} NOT NULL,
    PRIMARY KEY (tenant_id, reading_id, time)
);
CREATE INDEX medication_events_patient ON medication_events (tenant_id, patient_id, time);

CREATE TABLE metrics (
    tenant_id {text} NOT NULL,
    time {time} NOT NULL,
    window_start {time} NOT NULL,
    window_end {time} NOT NULL,
    patient_id {text} NOT NULL,
    metric {text} NOT NULL,
    value {real},
    value_code {text},
    unit {text} NOT NULL,
    n {int} NOT NULL,
    baseline {real},
    deviation {real},
    coverage {real},
    state {text} NOT NULL,
    revision {int} NOT NULL,
    reason {text} NOT NULL,
    quality {text} NOT NULL,
    definition_version {int} NOT NULL,
    computed_at {time} NOT NULL,
    known_from {int} NOT NULL,
    PRIMARY KEY (tenant_id, patient_id, metric, time)
);

CREATE TABLE metrics_history (
    tenant_id {text} NOT NULL,
    time {time} NOT NULL,
    window_start {time} NOT NULL,
    window_end {time} NOT NULL,
    patient_id {text} NOT NULL,
    metric {text} NOT NULL,
    value {real},
    value_code {text},
    unit {text} NOT NULL,
    n {int} NOT NULL,
    baseline {real},
    deviation {real},
    coverage {real},
    state {text} NOT NULL,
    revision {int} NOT NULL,
    reason {text} NOT NULL,
    quality {text} NOT NULL,
    definition_version {int} NOT NULL,
    computed_at {time} NOT NULL,
    known_from {int} NOT NULL,
    known_to {int} NOT NULL,
    moved {text} NOT NULL
);
CREATE INDEX metrics_history_series ON metrics_history (tenant_id, patient_id, metric, time);

CREATE TABLE coverage (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    rule_id {text} NOT NULL,
    start_time {time} NOT NULL,
    end_time {time} NOT NULL,
    state {text} NOT NULL,
    cause {text} NOT NULL,
    PRIMARY KEY (tenant_id, patient_id, rule_id, start_time)
);

CREATE TABLE episodes (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    rule_id {text} NOT NULL,
    start_time {time} NOT NULL,
    end_time {time},
    peak {text} NOT NULL,
    rule_version {text} NOT NULL,
    evidence_hash {text} NOT NULL,
    alert_id {text} NOT NULL,
    PRIMARY KEY (tenant_id, patient_id, rule_id, start_time)
);

CREATE TABLE alerts (
    tenant_id {text} NOT NULL,
    alert_id {text} NOT NULL,
    patient_id {text},
    rule_id {text} NOT NULL,
    rule_version {text} NOT NULL,
    title {text} NOT NULL,
    action {text} NOT NULL,
    why {text} NOT NULL,
    kind {text} NOT NULL,
    domain {text} NOT NULL,
    priority {text} NOT NULL,
    state {text} NOT NULL,
    condition {text} NOT NULL,
    onset_at {time} NOT NULL,
    last_held_at {time} NOT NULL,
    cleared_at {time},
    opened_at {time} NOT NULL,
    detected_at {time} NOT NULL,
    resolved_at {time},
    acknowledged_by {text},
    acknowledged_at {time},
    assignee {text},
    care_team {text},
    disposition {text},
    retrospective {bool} NOT NULL,
    historical {bool} NOT NULL,
    shadow {bool} NOT NULL,
    changed_at {int} NOT NULL,
    PRIMARY KEY (tenant_id, alert_id)
);
CREATE INDEX alerts_changed ON alerts (tenant_id, changed_at);
CREATE INDEX alerts_patient ON alerts (tenant_id, patient_id, changed_at);

CREATE TABLE alert_events (
    tenant_id {text} NOT NULL,
    alert_id {text} NOT NULL,
    seq {int} NOT NULL,
    at {time} NOT NULL,
    event {text} NOT NULL,
    actor {text} NOT NULL,
    note {text} NOT NULL,
    PRIMARY KEY (tenant_id, alert_id, seq)
);

CREATE TABLE alert_evidence (
    tenant_id {text} NOT NULL,
    alert_id {text} NOT NULL,
    reading_id {text} NOT NULL,
    PRIMARY KEY (tenant_id, alert_id, reading_id)
);

CREATE TABLE notifications (
    tenant_id {text} NOT NULL,
    notification_id {text} NOT NULL,
    alert_id {text} NOT NULL,
    channel {text} NOT NULL,
    recipient {text} NOT NULL,
    attempt {int} NOT NULL,
    at {time} NOT NULL,
    outcome {text} NOT NULL,
    detail {text} NOT NULL,
    PRIMARY KEY (tenant_id, notification_id, attempt)
);
CREATE INDEX notifications_alert ON notifications (tenant_id, alert_id);

CREATE TABLE batches (
    tenant_id {text} NOT NULL,
    cause {int} NOT NULL,
    batch_id {text} NOT NULL,
    gateway_id {text} NOT NULL,
    protocol {text} NOT NULL,
    received_at {time} NOT NULL,
    stored {int} NOT NULL,
    duplicate {int} NOT NULL,
    conflict {int} NOT NULL,
    quarantined {int} NOT NULL,
    PRIMARY KEY (tenant_id, cause)
);

CREATE TABLE quarantine (
    tenant_id {text} NOT NULL,
    id {text} NOT NULL,
    cause {int} NOT NULL,
    received_at {time} NOT NULL,
    gateway_id {text} NOT NULL,
    device_id {text} NOT NULL,
    code {text} NOT NULL,
    detail {text} NOT NULL,
    format {text} NOT NULL,
    payload {bytes} NOT NULL,
    readings {int} NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE patients (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    mrn {text} NOT NULL,
    birth_date {text} NOT NULL,
    sex {text} NOT NULL,
    zone {text} NOT NULL,
    care_team {text} NOT NULL,
    packs {text} NOT NULL,
    synthetic {bool} NOT NULL,
    PRIMARY KEY (tenant_id, patient_id)
);

CREATE TABLE devices (
    tenant_id {text} NOT NULL,
    device_id {text} NOT NULL,
    kind {text} NOT NULL,
    serial {text} NOT NULL,
    PRIMARY KEY (tenant_id, device_id)
);

CREATE TABLE pairings (
    tenant_id {text} NOT NULL,
    device_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    from_time {time} NOT NULL,
    until_time {time}
);
CREATE INDEX pairings_device ON pairings (tenant_id, device_id, from_time);

CREATE TABLE prescriptions (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    medication {text} NOT NULL,
    dose_milli {int} NOT NULL,
    start_time {time} NOT NULL,
    end_time {time},
    times {text} NOT NULL
);
CREATE INDEX prescriptions_patient ON prescriptions (tenant_id, patient_id, start_time);

CREATE TABLE rules (
    tenant_id {text} NOT NULL,
    rule_id {text} NOT NULL,
    version {text} NOT NULL,
    pack {text} NOT NULL,
    accepted_by {text} NOT NULL,
    toml {text} NOT NULL,
    known_from {int} NOT NULL,
    PRIMARY KEY (tenant_id, rule_id, version)
);

CREATE TABLE measures (
    tenant_id {text} NOT NULL,
    measure {text} NOT NULL,
    loinc {text},
    unit {text} NOT NULL,
    reject_low {real} NOT NULL,
    reject_high {real} NOT NULL,
    verify_low {real} NOT NULL,
    verify_high {real} NOT NULL,
    PRIMARY KEY (tenant_id, measure)
);

-- Rows in the lake's files that newer versions replaced and no flush has taken out yet.
CREATE TABLE lake_superseded (
    tenant_id {text} NOT NULL,
    reading_id {text} NOT NULL,
    measure {text} NOT NULL,
    known_from {int} NOT NULL,
    data_file {int} NOT NULL,
    PRIMARY KEY (tenant_id, reading_id, measure, known_from)
);
