-- Times are microseconds since 1970-01-01T00:00:00Z, amounts are minor units of the row's currency
-- (ISO 4217 numeric), and small integers are the numbers of the enumerations, which never change
-- their meaning. Nothing in this database is a card number in clear.

-- One payment. Rows are appended in the order of their numbers and changed a few times while young.
CREATE TABLE orders (
    fort_id            INTEGER PRIMARY KEY,
    merchant_id        INTEGER NOT NULL,
    merchant_reference TEXT    NOT NULL,
    kind               INTEGER NOT NULL,
    currency           INTEGER NOT NULL,
    amount             INTEGER NOT NULL,
    eci                INTEGER NOT NULL,
    brand              INTEGER NOT NULL,
    card_mask          TEXT    NOT NULL,
    card_expiry        TEXT    NOT NULL,
    card_holder        TEXT,
    card_sealed        BLOB    NOT NULL,
    phase              INTEGER NOT NULL,
    authorized         INTEGER NOT NULL,
    captured           INTEGER NOT NULL,
    refunded           INTEGER NOT NULL,
    -- The one operation that is sent (state 0) or unknown (state 3), if there is one, and its state.
    open_operation     INTEGER,
    open_state         INTEGER,
    version            INTEGER NOT NULL,
    authorization_code TEXT,
    stan               INTEGER NOT NULL,
    rrn                TEXT    NOT NULL,
    sent_at            INTEGER NOT NULL,
    last_kind          INTEGER NOT NULL,
    last_code          INTEGER NOT NULL,
    last_network_code  TEXT,
    created_at         INTEGER NOT NULL,
    CONSTRAINT refunded_within_captured_within_authorized
        CHECK (0 <= refunded AND refunded <= captured AND captured <= authorized),
    CONSTRAINT open_operation_is_sent_or_unknown
        CHECK ((open_operation IS NULL AND open_state IS NULL) OR (open_operation IS NOT NULL AND open_state IN (0, 3))),
    CONSTRAINT version_counts_from_one CHECK (version >= 1)
) STRICT;

-- A reference is claimed once per merchant. The reference stands first, so that the explainer finds
-- the orders of every merchant by it.
CREATE UNIQUE INDEX orders_one_claim_per_reference ON orders (merchant_reference, merchant_id);

-- Sent operations without an outcome: as many rows as there are messages under way.
CREATE INDEX orders_unfinished ON orders (open_operation) WHERE open_state = 0;

-- The intent of one operation. Never changed: its state is that of its last outcome, or sent.
CREATE TABLE operations (
    operation_id          INTEGER PRIMARY KEY,
    fort_id               INTEGER NOT NULL,
    kind                  INTEGER NOT NULL,
    currency              INTEGER NOT NULL,
    amount                INTEGER NOT NULL,
    stan                  INTEGER NOT NULL,
    rrn                   TEXT    NOT NULL,
    sent_at               INTEGER NOT NULL,
    maintenance_reference TEXT,
    request               TEXT    NOT NULL,
    CONSTRAINT operation_id_has_at_most_18_digits CHECK (operation_id BETWEEN 0 AND 999999999999999999)
) STRICT;

-- The first operation of an order has the order's number and needs no entry.
CREATE INDEX operations_later ON operations (fort_id, operation_id) WHERE operation_id <> fort_id;

-- What became of an operation: appended, never changed. outcome_id is operation_id * 8 and the place
-- of the outcome among those of its operation, from 0, so that one tree serves both.
CREATE TABLE outcomes (
    outcome_id         INTEGER PRIMARY KEY,
    event              INTEGER NOT NULL,
    state              INTEGER NOT NULL,
    code               INTEGER NOT NULL,
    network_code       TEXT,
    authorization_code TEXT,
    trace              TEXT    NOT NULL,
    at                 INTEGER NOT NULL
) STRICT;

-- The reference of a refund, while the refund counts or may come to count.
CREATE TABLE maintenance_references (
    merchant_id  INTEGER NOT NULL,
    reference    TEXT    NOT NULL,
    operation_id INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, reference)
) STRICT, WITHOUT ROWID;

-- Operations whose outcome is unknown.
CREATE TABLE recoveries (
    operation_id INTEGER PRIMARY KEY,
    fort_id      INTEGER NOT NULL,
    merchant_id  INTEGER NOT NULL,
    way_out      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    CONSTRAINT attempts_count_from_zero CHECK (attempts >= 0)
) STRICT;

CREATE INDEX recoveries_due ON recoveries (due_at, operation_id);

CREATE INDEX recoveries_oldest ON recoveries (created_at);

-- Recovery messages that settled nothing.
CREATE TABLE recovery_attempts (
    operation_id INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    result       TEXT    NOT NULL,
    trace        TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (operation_id, number)
) STRICT;

CREATE TABLE merchants (
    merchant_id         INTEGER PRIMARY KEY,
    name                TEXT    NOT NULL,
    merchant_identifier TEXT    NOT NULL,
    active              INTEGER NOT NULL,
    sealed_credentials  BLOB    NOT NULL,
    terms               TEXT    NOT NULL,
    version             INTEGER NOT NULL,
    CONSTRAINT merchant_ids_count_from_one CHECK (merchant_id >= 1)
) STRICT;

CREATE UNIQUE INDEX merchants_name ON merchants (name);

CREATE UNIQUE INDEX merchants_identifier ON merchants (merchant_identifier);

CREATE TABLE access_codes (
    access_code TEXT    NOT NULL PRIMARY KEY,
    merchant_id INTEGER NOT NULL REFERENCES merchants (merchant_id),
    place       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX access_codes_of_merchant ON access_codes (merchant_id, place);

CREATE TABLE data_keys (
    data_key_id INTEGER PRIMARY KEY AUTOINCREMENT,
    merchant_id INTEGER NOT NULL,
    period      INTEGER NOT NULL,
    kek_version INTEGER NOT NULL,
    wrapped     BLOB    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX data_keys_one_per_period ON data_keys (merchant_id, period);

-- A diary with a bounded number of rows: the oldest go first.
CREATE TABLE refusals (
    refusal_id         INTEGER PRIMARY KEY,
    at                 INTEGER NOT NULL,
    merchant_id        INTEGER NOT NULL,
    merchant_reference TEXT,
    fort_id            INTEGER,
    command            TEXT    NOT NULL,
    code               INTEGER NOT NULL,
    guilty             INTEGER NOT NULL,
    parameter          TEXT,
    detail             TEXT    NOT NULL,
    request            TEXT    NOT NULL
) STRICT;

CREATE INDEX refusals_by_reference ON refusals (merchant_reference) WHERE merchant_reference IS NOT NULL;

CREATE INDEX refusals_by_order ON refusals (fort_id) WHERE fort_id IS NOT NULL;

-- Numbers that only grow.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES ('merchants_generation', 0);
