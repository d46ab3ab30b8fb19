-- What becomes of a provisional token by a payment that succeeds: 0 it becomes permanent, 1 it lapses all the same.
ALTER TABLE tokens ADD COLUMN after_payment INTEGER NOT NULL DEFAULT 0;
