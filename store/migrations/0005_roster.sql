-- What the roster declares about patients beside orders and pairings.
CREATE TABLE dispenses (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    medication {text} NOT NULL,
    date {time} NOT NULL,
    days_supply {int} NOT NULL
);
CREATE INDEX dispenses_patient ON dispenses (tenant_id, patient_id, date);

CREATE TABLE patient_events (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    kind {text} NOT NULL,
    start_time {time} NOT NULL,
    end_time {time}
);
CREATE INDEX patient_events_patient ON patient_events (tenant_id, patient_id, start_time);

CREATE TABLE conditions (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    condition {text} NOT NULL
);
CREATE INDEX conditions_patient ON conditions (tenant_id, patient_id);

CREATE TABLE goals (
    tenant_id {text} NOT NULL,
    patient_id {text} NOT NULL,
    metric {text} NOT NULL,
    target {real} NOT NULL,
    unit {text} NOT NULL,
    by_time {time}
);
CREATE INDEX goals_patient ON goals (tenant_id, patient_id);
