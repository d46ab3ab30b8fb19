-- Cards are looked up by their fingerprints for merchants that want unique tokens. Fingerprints come in no order, so each
-- entry costs a page of its own: merchants that do not want them do without.

-- Whether all tokens of the merchant can be found by their card. Once they can, they stay so.
ALTER TABLE merchants ADD COLUMN cards_indexed INTEGER NOT NULL DEFAULT 0;

-- Whether the token can be found by its card.
ALTER TABLE tokens ADD COLUMN by_card INTEGER NOT NULL DEFAULT 0;

UPDATE merchants SET cards_indexed = 1 WHERE coalesce(json_extract(terms, '$.cards.unique'), 'off') <> 'off';

DROP INDEX tokens_of_card;

UPDATE tokens SET by_card = 1 WHERE merchant_id IN (SELECT merchant_id FROM merchants WHERE cards_indexed = 1);

CREATE INDEX tokens_of_card ON tokens (merchant_id, fingerprint) WHERE by_card = 1;

-- The tokens of a card that somebody is known to be the customer of.
CREATE INDEX tokens_of_customers ON tokens (merchant_id, fingerprint) WHERE customer IS NOT NULL;
