-- Whose a kept card is: what names a customer, in lower case. NULL where nothing named one.
ALTER TABLE tokens ADD COLUMN customer TEXT;

ALTER TABLE token_intents ADD COLUMN customer TEXT;

-- The customers that a card was kept for, under whichever of its tokens. They go with the card's last token.
CREATE TABLE token_customers (
    merchant_id INTEGER NOT NULL,
    fingerprint BLOB    NOT NULL,
    customer    TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, fingerprint, customer)
) STRICT, WITHOUT ROWID;
