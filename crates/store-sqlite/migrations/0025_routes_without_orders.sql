-- A card that is kept without a payment has used a route as well, and has no order.
CREATE TABLE route_uses_of_cards (
    merchant_id     INTEGER NOT NULL,
    route           INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    first_fort_id   INTEGER,
    first_reference TEXT    NOT NULL,
    last_at         INTEGER NOT NULL,
    last_fort_id    INTEGER,
    last_reference  TEXT    NOT NULL,
    PRIMARY KEY (merchant_id, route),
    CONSTRAINT the_last_use_is_not_before_the_first CHECK (last_at >= first_at)
) STRICT, WITHOUT ROWID;
INSERT INTO route_uses_of_cards SELECT * FROM route_uses;
DROP TABLE route_uses;
ALTER TABLE route_uses_of_cards RENAME TO route_uses;
