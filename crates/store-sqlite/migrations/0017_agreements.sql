-- What customers agreed to be charged later without being present, and what the network is told of kept cards.

CREATE TABLE agreements (
    agreement              INTEGER PRIMARY KEY,
    merchant_id            INTEGER NOT NULL,
    id                     TEXT    NOT NULL,
    -- 0 fixed, 1 variable, 2 unscheduled.
    mode                   INTEGER NOT NULL,
    currency               INTEGER NOT NULL,
    amount                 INTEGER NOT NULL,
    charges_max            INTEGER,
    -- Days since 1970-01-01.
    last_day               INTEGER,
    days_between_min       INTEGER,
    -- The token, by its name and its age, and the card that it had when the agreement was opened.
    token_name             TEXT    NOT NULL,
    token_since            INTEGER NOT NULL,
    token_id               INTEGER NOT NULL,
    opened_by              INTEGER NOT NULL,
    opened_at              INTEGER NOT NULL,
    network_transaction_id TEXT,
    -- 0 opening: the payment that opens it is not settled. 1 active, 2 ended.
    state                  INTEGER NOT NULL,
    ended_why              INTEGER,
    ended_at               INTEGER,
    -- Charges that succeeded, are under way or are not known; and how many of them are not settled.
    charges                INTEGER NOT NULL,
    charges_open           INTEGER NOT NULL,
    paid_at                INTEGER NOT NULL,
    version                INTEGER NOT NULL,
    CONSTRAINT open_charges_are_charges CHECK (0 <= charges_open AND charges_open <= charges),
    CONSTRAINT only_an_end_has_a_reason
        CHECK ((state = 2) = (ended_at IS NOT NULL) AND (state = 2) = (ended_why IS NOT NULL)),
    CONSTRAINT agreement_version_counts_from_one CHECK (version >= 1)
) STRICT;

CREATE UNIQUE INDEX agreements_one_per_name ON agreements (merchant_id, id);

CREATE INDEX agreements_in_order ON agreements (merchant_id, agreement);

CREATE INDEX agreements_of_token ON agreements (merchant_id, token_name);

-- The charges that count: a row is written with the intent, and taken away when the charge comes to nothing.
CREATE TABLE agreement_charges (
    agreement INTEGER NOT NULL,
    fort_id   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    PRIMARY KEY (agreement, fort_id)
) STRICT, WITHOUT ROWID;

-- What an order has to do with a kept card: JSON, what the core calls an order's credential.
ALTER TABLE orders ADD COLUMN credential TEXT;

-- How the network named the payment, and of a decline whether it may be tried again.
ALTER TABLE outcomes ADD COLUMN network_transaction_id TEXT;

ALTER TABLE outcomes ADD COLUMN advice INTEGER;

ALTER TABLE outcomes_beyond ADD COLUMN network_transaction_id TEXT;

ALTER TABLE outcomes_beyond ADD COLUMN advice INTEGER;

-- The first payment that its customer made with a token and that succeeded, and how the network named it.
ALTER TABLE tokens ADD COLUMN first_payment_at INTEGER;

ALTER TABLE tokens ADD COLUMN network_transaction_id TEXT;

-- Names of payments were not kept before; that there were payments, the orders tell.
UPDATE tokens SET first_payment_at = paid.at
FROM (
    SELECT merchant_id, token_name, min(created_at) AS at FROM orders
    WHERE token_name IS NOT NULL AND kind < 2 AND eci = 0 AND authorized > 0 GROUP BY merchant_id, token_name
) AS paid
WHERE paid.merchant_id = tokens.merchant_id AND paid.token_name = tokens.name AND tokens.lapses_at IS NULL;
