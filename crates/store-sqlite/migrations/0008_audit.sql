-- The audit log: rows that are only ever added, each chained to the one before.

-- number counts from 1 without a gap. A row holds the entries of one transaction, encoded; mac is HMAC-SHA-256, under
-- the data key key_id, of the row and of the code of the one before.
CREATE TABLE audit (
    number   INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    key_id   INTEGER NOT NULL,
    entries  BLOB    NOT NULL,
    previous BLOB    NOT NULL,
    mac      BLOB    NOT NULL,
    CONSTRAINT audit_counts_from_one CHECK (number >= 1),
    CONSTRAINT audit_codes_have_32_bytes CHECK (length(previous) = 32 AND length(mac) = 32)
) STRICT;

-- These keep a mistake away; whoever can drop them is found by the chain.
CREATE TRIGGER audit_rows_are_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;

CREATE TRIGGER audit_rows_are_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only added to');
END;
