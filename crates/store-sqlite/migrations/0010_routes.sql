-- By which routes each merchant's payments have come: what its PCI DSS scope is judged by. A row is written at most once a
-- day, with the order that used the route first on that day.
CREATE TABLE route_uses (
    merchant_id     INTEGER NOT NULL,
    route           INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    first_fort_id   INTEGER NOT NULL,
    first_reference TEXT    NOT NULL,
    last_at         INTEGER NOT NULL,
    last_fort_id    INTEGER NOT NULL,
    last_reference  TEXT    NOT NULL,
    PRIMARY KEY (merchant_id, route),
    CONSTRAINT the_last_use_is_not_before_the_first CHECK (last_at >= first_at)
) STRICT, WITHOUT ROWID;
