-- Cards that merchants keep under names, and what payments do with them.

-- token_id is the number of the card under the name: what is sealed is bound to it, and another card under the
-- same name brings another number.
CREATE TABLE tokens (
    token_id    INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    -- 0 active, 1 inactive.
    status      INTEGER NOT NULL,
    -- NULL: permanent.
    lapses_at   INTEGER,
    brand       INTEGER NOT NULL,
    card_mask   TEXT    NOT NULL,
    card_expiry TEXT    NOT NULL,
    card_holder TEXT,
    card_bin    TEXT    NOT NULL,
    card_sealed BLOB    NOT NULL,
    -- HMAC-SHA-256 under a key of the merchant's own.
    fingerprint BLOB    NOT NULL,
    currency    INTEGER,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    CONSTRAINT token_status_is_known CHECK (status IN (0, 1)),
    CONSTRAINT token_version_counts_from_one CHECK (version >= 1)
) STRICT;

CREATE UNIQUE INDEX tokens_one_per_name ON tokens (merchant_id, name);

CREATE INDEX tokens_by_age ON tokens (merchant_id, created_at, token_id);

CREATE INDEX tokens_of_card ON tokens (merchant_id, fingerprint);

CREATE INDEX tokens_lapsing ON tokens (lapses_at) WHERE lapses_at IS NOT NULL;

-- What becomes of a token when a payment that is under way succeeds: a provisional one is kept (only the number
-- is given), or a card is put under a name. A row goes with the payment's outcome.
CREATE TABLE token_intents (
    fort_id     INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL,
    token_id    INTEGER NOT NULL,
    name        TEXT,
    brand       INTEGER,
    card_mask   TEXT,
    card_expiry TEXT,
    card_holder TEXT,
    card_bin    TEXT,
    card_sealed BLOB,
    fingerprint BLOB,
    currency    INTEGER,
    created_at  INTEGER,
    CONSTRAINT a_card_has_a_name_and_all_its_parts CHECK (
        (name IS NULL) = (card_sealed IS NULL) AND (name IS NULL) = (fingerprint IS NULL)
        AND (name IS NULL) = (card_mask IS NULL) AND (name IS NULL) = (card_expiry IS NULL)
        AND (name IS NULL) = (card_bin IS NULL) AND (name IS NULL) = (brand IS NULL)
        AND (name IS NULL) = (created_at IS NULL)
    )
) STRICT;

CREATE INDEX token_intents_of_token ON token_intents (token_id);

-- The token that an order uses or makes: its name then, and 0 uses it, 1 keeps a provisional one, 2 makes one.
ALTER TABLE orders ADD COLUMN token_name TEXT;

ALTER TABLE orders ADD COLUMN token_role INTEGER;
