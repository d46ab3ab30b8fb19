-- Batches that wait for a date, or were given up: two more states, which the old table's check does not know. And rows that
-- make payment links.
CREATE TABLE batches_anew (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_id     INTEGER NOT NULL,
    merchant_id  INTEGER NOT NULL,
    reference    TEXT    NOT NULL,
    access_code  TEXT    NOT NULL,
    language     TEXT    NOT NULL,
    file_name    TEXT    NOT NULL,
    -- A JSON list of texts.
    columns      TEXT    NOT NULL,
    -- 0 receiving, 1 uploaded, 2 validating, 3 validated, 4 validated with errors, 5 invalid, 6 processing, 7 done,
    -- 8 waiting for its date, 9 cancelled.
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
    -- When its rows may begin.
    execute_at   INTEGER,
    CONSTRAINT batch_numbers_are_below_2_to_37 CHECK (number BETWEEN 1 AND 137438953471),
    CONSTRAINT batch_states_are_known CHECK (state BETWEEN 0 AND 9),
    CONSTRAINT batches_that_wait_have_a_date CHECK (state <> 8 OR execute_at IS NOT NULL),
    CONSTRAINT cancelled_batches_began_nothing CHECK (state <> 9 OR rows_begun = 0),
    CONSTRAINT no_more_rows_are_done_than_there_are CHECK (
        rows_refused <= rows_judged AND rows_judged <= rows_all AND rows_begun <= rows_all AND rows_done <= rows_all
        AND rows_good <= rows_done
    )
) STRICT;

-- Fault 5 was told of files of payment links while nobody could make links of them: none of their rows was good.
INSERT INTO batches_anew
SELECT number, batch_id, merchant_id, reference, access_code, language, file_name, columns, state,
       CASE fault WHEN 5 THEN 0 ELSE fault END, owner, rows_all, rows_judged, rows_refused, rows_begun, rows_done, rows_good,
       uploaded_at, validated_at, asked_at, done_at, NULL
FROM batches;

DROP TABLE batches;

ALTER TABLE batches_anew RENAME TO batches;

CREATE UNIQUE INDEX batches_id ON batches (batch_id);

CREATE UNIQUE INDEX batches_one_per_reference ON batches (reference, merchant_id);

-- Those with something to do, now or on a date.
CREATE INDEX batches_to_do ON batches (number) WHERE state IN (0, 1, 2, 6, 8);

-- The payment link that a row has made.
ALTER TABLE batch_rows ADD COLUMN link_id INTEGER;
