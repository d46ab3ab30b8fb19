-- What operators settle by hand.

-- Why and by whom an outcome was forced: place counts the outcomes of an operation from 0.
CREATE TABLE corrections (
    operation_id    INTEGER NOT NULL,
    place           INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    evidence        TEXT    NOT NULL,
    evidence_sha256 TEXT,
    made_by         TEXT    NOT NULL,
    approved_by     TEXT,
    PRIMARY KEY (operation_id, place)
) STRICT, WITHOUT ROWID;

-- A correction stays as it was made.
CREATE TRIGGER corrections_are_never_changed BEFORE UPDATE ON corrections
BEGIN
    SELECT RAISE(ABORT, 'a correction is never changed');
END;

CREATE TRIGGER corrections_are_never_deleted BEFORE DELETE ON corrections
BEGIN
    SELECT RAISE(ABORT, 'a correction is never deleted');
END;

-- Outcomes from place 8 on, for which the numbers of the table of outcomes have no room. Only corrections
-- come that far.
CREATE TABLE outcomes_beyond (
    operation_id       INTEGER NOT NULL,
    place              INTEGER NOT NULL,
    event              INTEGER NOT NULL,
    state              INTEGER NOT NULL,
    code               INTEGER NOT NULL,
    network_code       TEXT,
    authorization_code TEXT,
    trace              TEXT    NOT NULL,
    at                 INTEGER NOT NULL,
    PRIMARY KEY (operation_id, place),
    CONSTRAINT place_is_beyond CHECK (place >= 8)
) STRICT, WITHOUT ROWID;

-- Corrections that wait for a second person: one per operation.
CREATE TABLE proposals (
    operation_id    INTEGER PRIMARY KEY,
    event           INTEGER NOT NULL,
    state_before    INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    evidence        TEXT    NOT NULL,
    evidence_sha256 TEXT,
    made_by         TEXT    NOT NULL,
    at              INTEGER NOT NULL
) STRICT;
