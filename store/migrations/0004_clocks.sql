-- How far the clocks of devices and gateways are off, as journalled decisions say.
CREATE TABLE clocks (
    tenant_id {text} NOT NULL,
    kind {text} NOT NULL,
    subject {text} NOT NULL,
    ahead_ms {int} NOT NULL,
    boot_id {int},
    sightings {int} NOT NULL,
    seen_from {time} NOT NULL,
    seen_to {time} NOT NULL,
    spread_ms {int} NOT NULL,
    known_from {int} NOT NULL,
    PRIMARY KEY (tenant_id, kind, subject)
);
