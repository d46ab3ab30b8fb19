-- Addresses that merchants give to their customers. The body is JSON: what the core calls a payment link. Openings are
-- counted beside it, so that they change nothing that somebody has judged.
CREATE TABLE payment_links (
    link_id            INTEGER PRIMARY KEY,
    merchant_id        INTEGER NOT NULL,
    name               TEXT    NOT NULL,
    merchant_reference TEXT    NOT NULL,
    -- The order that a customer has begun by it.
    fort_id            INTEGER,
    expires_at         INTEGER NOT NULL,
    closed_at          INTEGER,
    openings           INTEGER NOT NULL DEFAULT 0,
    first_opened_at    INTEGER,
    last_opened_at     INTEGER,
    version            INTEGER NOT NULL,
    body               TEXT    NOT NULL,
    CONSTRAINT payment_links_count_from_one CHECK (version >= 1)
) STRICT;

CREATE UNIQUE INDEX payment_links_names ON payment_links (merchant_id, name);

CREATE INDEX payment_links_references ON payment_links (merchant_id, merchant_reference, link_id);

CREATE INDEX payment_links_listed ON payment_links (merchant_id, link_id);

CREATE INDEX payment_links_orders ON payment_links (fort_id) WHERE fort_id IS NOT NULL;
