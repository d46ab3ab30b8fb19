-- Rotation of data keys: several keys of a merchant's month, and which of them is to take over from the
-- older ones (0 none, 1 under way, 2 finished).
ALTER TABLE data_keys ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;

ALTER TABLE data_keys ADD COLUMN rotation INTEGER NOT NULL DEFAULT 0;

DROP INDEX data_keys_one_per_period;

CREATE UNIQUE INDEX data_keys_one_per_generation ON data_keys (merchant_id, period, generation);

-- Grows with every key that is added or changed.
INSERT INTO counters (name, value) VALUES ('data_keys_generation', 0);
