-- Runs of gateways, so that several can work on one store.
CREATE TABLE lives (
    life        INTEGER PRIMARY KEY AUTOINCREMENT,
    node        INTEGER NOT NULL,
    began_at    INTEGER NOT NULL,
    -- The end of its lease, by its own clock.
    alive_until INTEGER NOT NULL,
    renewals    INTEGER NOT NULL,
    ended_at    INTEGER,
    CONSTRAINT renewals_count_from_zero CHECK (renewals >= 0)
) STRICT;

-- As many rows as there are gateways running.
CREATE UNIQUE INDEX lives_one_per_node ON lives (node) WHERE ended_at IS NULL;

-- The life that sent the operation; 0 for those from before there were lives. No index: it is looked at only
-- where an operation has no outcome.
ALTER TABLE operations ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;

-- The life that has an attempt under way (0: none has), and until when nobody else begins one.
ALTER TABLE recoveries ADD COLUMN attempt_by INTEGER NOT NULL DEFAULT 0;

ALTER TABLE recoveries ADD COLUMN attempt_until INTEGER NOT NULL DEFAULT 0;
