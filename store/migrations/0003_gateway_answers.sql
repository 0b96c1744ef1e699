-- What gateways ask for later: verdicts, what arrived of each device's sequence; and the books of each gateway and day.

-- Kept 30 days of journal time (semantics 3).
CREATE TABLE verdicts (
    tenant_id {text} NOT NULL,
    cause {int} NOT NULL,
    gateway_id {text} NOT NULL,
    batch_id {text} NOT NULL,
    at {time} NOT NULL,
    verdict {bytes} NOT NULL,
    PRIMARY KEY (tenant_id, cause)
);
CREATE INDEX verdicts_asked ON verdicts (tenant_id, gateway_id, batch_id, cause);
CREATE INDEX verdicts_at ON verdicts (at);

-- `missing` are the ranges between the two that never arrived, as `18 31-40`; below `told_from` nothing is known any more.
CREATE TABLE sequences (
    tenant_id {text} NOT NULL,
    device_id {text} NOT NULL,
    boot_id {int} NOT NULL,
    gateway_id {text} NOT NULL,
    first_seq {int} NOT NULL,
    last_seq {int} NOT NULL,
    missing {text} NOT NULL,
    told_from {int} NOT NULL,
    PRIMARY KEY (tenant_id, device_id, boot_id)
);
CREATE INDEX sequences_gateway ON sequences (tenant_id, gateway_id, device_id);

-- The books of semantics 1 for each gateway and UTC day. A row with a reason counts what was refused for it, in
-- submissions; the row without one counts readings. Sums over all rows are the books.
CREATE TABLE ledger (
    tenant_id {text} NOT NULL,
    day {time} NOT NULL,
    gateway_id {text} NOT NULL,
    reason {text} NOT NULL,
    submitted {int} NOT NULL,
    stored {int} NOT NULL,
    duplicate {int} NOT NULL,
    conflict {int} NOT NULL,
    quarantined {int} NOT NULL,
    refused {int} NOT NULL,
    PRIMARY KEY (tenant_id, day, gateway_id, reason)
);

-- What was taken before there was a ledger.
{sqlite} INSERT INTO ledger SELECT tenant_id, received_at / 86400000000 * 86400000000, gateway_id, '', SUM(stored + duplicate + conflict + quarantined), SUM(stored), SUM(duplicate), SUM(conflict), SUM(quarantined), 0 FROM batches GROUP BY 1, 2, 3;
{postgres} INSERT INTO ledger SELECT tenant_id, date_trunc('day', received_at, 'UTC'), gateway_id, '', SUM(stored + duplicate + conflict + quarantined), SUM(stored), SUM(duplicate), SUM(conflict), SUM(quarantined), 0 FROM batches GROUP BY 1, 2, 3;
