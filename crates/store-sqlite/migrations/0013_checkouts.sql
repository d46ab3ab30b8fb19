-- Customers at the gateway's pages. The body is JSON: what the core calls a checkout.
CREATE TABLE checkouts (
    checkout_id INTEGER PRIMARY KEY,
    -- The order that it is for, if it is one.
    fort_id     INTEGER,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    version     INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    CONSTRAINT checkouts_count_from_one CHECK (version >= 1)
) STRICT;

CREATE UNIQUE INDEX checkouts_one_per_order ON checkouts (fort_id) WHERE fort_id IS NOT NULL;

-- Those that are to end by themselves: as many rows as there are customers.
CREATE INDEX checkouts_open ON checkouts (expires_at, checkout_id) WHERE ended_at IS NULL;

CREATE INDEX checkouts_ended ON checkouts (ended_at) WHERE ended_at IS NOT NULL;

-- The way by which an order came: 0 is the payment API. An order that is open may have no card yet; its card columns are
-- empty then.
ALTER TABLE orders ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;
