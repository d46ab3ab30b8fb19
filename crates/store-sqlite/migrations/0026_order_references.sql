-- Which order holds a merchant's reference. References come in no order, so that each new entry of an index over them changes
-- a page of its own; a table of its own is written in its own order, many entries at a time, by and by.
CREATE TABLE order_references (
    merchant_reference TEXT    NOT NULL,
    merchant_id        INTEGER NOT NULL,
    fort_id            INTEGER NOT NULL,
    -- The reference stands first, so that the explainer finds the orders of every merchant by it.
    CONSTRAINT one_claim_per_reference PRIMARY KEY (merchant_reference, merchant_id)
) STRICT, WITHOUT ROWID;

INSERT INTO order_references (merchant_reference, merchant_id, fort_id)
    SELECT merchant_reference, merchant_id, fort_id FROM orders WHERE kind < 2 ORDER BY merchant_reference, merchant_id;

DROP INDEX orders_one_claim_per_reference;

-- Each order whose number is not above this one has its entry.
INSERT INTO counters (name, value) SELECT 'references_filed_to', coalesce(max(fort_id), 0) FROM orders;
