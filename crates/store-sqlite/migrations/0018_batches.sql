-- Batches: uploaded files of rows. The number is our own and short, so that a row's key can be made of it and its line.
CREATE TABLE batches (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id     INTEGER NOT NULL,
    merchant_id  INTEGER NOT NULL,
    reference    TEXT    NOT NULL,
    access_code  TEXT    NOT NULL,
    language     TEXT    NOT NULL,
    file_name    TEXT    NOT NULL,
    -- A JSON list of texts.
    columns      TEXT    NOT NULL,
    -- 0 receiving, 1 uploaded, 2 validating, 3 validated, 4 validated with errors, 5 invalid, 6 processing, 7 done.
    state        INTEGER NOT NULL,
    fault        INTEGER,
    -- The life that works on it, if that lives.
    owner        INTEGER NOT NULL,
    rows_all     INTEGER NOT NULL DEFAULT 0,
    rows_judged  INTEGER NOT NULL DEFAULT 0,
    rows_refused INTEGER NOT NULL DEFAULT 0,
    rows_begun   INTEGER NOT NULL DEFAULT 0,
    rows_done    INTEGER NOT NULL DEFAULT 0,
    rows_good    INTEGER NOT NULL DEFAULT 0,
    uploaded_at  INTEGER NOT NULL,
    validated_at INTEGER,
    asked_at     INTEGER,
    done_at      INTEGER,
    CONSTRAINT batch_numbers_are_below_2_to_37 CHECK (number BETWEEN 1 AND 137438953471),
    CONSTRAINT batch_states_are_known CHECK (state BETWEEN 0 AND 7),
    CONSTRAINT no_more_rows_are_done_than_there_are CHECK (
        rows_refused <= rows_judged AND rows_judged <= rows_all AND rows_begun <= rows_all AND rows_done <= rows_all
        AND rows_good <= rows_done
    )
) STRICT;

CREATE UNIQUE INDEX batches_id ON batches (batch_id);

CREATE UNIQUE INDEX batches_one_per_reference ON batches (reference, merchant_id);

-- Those with something to do.
CREATE INDEX batches_to_do ON batches (number) WHERE state IN (0, 1, 2, 6);

-- The rows. row_id is the batch's number * 2^26 and the line, so that one tree has them in their order.
CREATE TABLE batch_rows (
    row_id       INTEGER PRIMARY KEY,
    -- A JSON list of texts.
    cells        TEXT    NOT NULL,
    -- The column where a card number stood; of the number itself nothing is kept.
    card_in      INTEGER,
    -- 0 pending, 1 valid, 2 begun, 3 done.
    state        INTEGER NOT NULL,
    identity     BLOB,
    operation_id INTEGER,
    -- The batch's number * 2^26 and the place among its results.
    place_id     INTEGER,
    code         INTEGER,
    parameter    TEXT,
    detail       TEXT,
    CONSTRAINT batch_row_states_are_known CHECK (state BETWEEN 0 AND 3),
    CONSTRAINT begun_rows_have_an_operation CHECK (state <> 2 OR operation_id IS NOT NULL),
    CONSTRAINT done_rows_have_a_result CHECK ((state = 3) = (code IS NOT NULL AND place_id IS NOT NULL))
) STRICT;

CREATE INDEX batch_rows_to_do ON batch_rows (state, row_id) WHERE state < 3;

CREATE UNIQUE INDEX batch_rows_one_of_each ON batch_rows (identity) WHERE identity IS NOT NULL;

CREATE UNIQUE INDEX batch_rows_results ON batch_rows (place_id) WHERE place_id IS NOT NULL;
