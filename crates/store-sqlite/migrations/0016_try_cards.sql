-- With what each try of an order was made: feedback tells it of its own try, also when the order has another card by then.
-- Orders that are sent at once have one operation that began them, and no row here.
CREATE TABLE try_cards (
    operation_id INTEGER NOT NULL PRIMARY KEY,
    brand        INTEGER NOT NULL,
    card_mask    TEXT    NOT NULL,
    card_expiry  TEXT    NOT NULL,
    card_holder  TEXT,
    token_name   TEXT,
    token_role   INTEGER
) STRICT;
