-- Verifications of cards are orders of kind 2 and more. They use no reference up, and are found by it all the same.

DROP INDEX orders_one_claim_per_reference;

CREATE UNIQUE INDEX orders_one_claim_per_reference ON orders (merchant_reference, merchant_id) WHERE kind < 2;

CREATE INDEX orders_verifications ON orders (merchant_reference, merchant_id, fort_id) WHERE kind >= 2;
