-- Transaction feedback: an outbox. A row is named after the outcome it tells of (the operation, and the
-- place of the outcome among those of the operation) and is written in the same transaction. It holds no
-- body; that is rendered when it is delivered.
CREATE TABLE feedbacks (
    operation_id INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    fort_id      INTEGER NOT NULL,
    -- merchant_id * 64 + channel * 2 + kind: all that waits for the same receiver.
    lane         INTEGER NOT NULL,
    -- The order's version after the outcome.
    sequence     INTEGER NOT NULL,
    -- 0 waiting, 1 delivered, 2 paused, 3 behind an earlier one of the same order and lane.
    state        INTEGER NOT NULL,
    -- While it is leased: the lease's end.
    due_at       INTEGER NOT NULL,
    -- All attempts, and those that failed since the schedule began.
    attempts     INTEGER NOT NULL,
    tries        INTEGER NOT NULL,
    tried_since  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    delivered_at INTEGER,
    pause_reason INTEGER,
    leased_by    INTEGER,
    PRIMARY KEY (operation_id, place),
    CONSTRAINT feedback_states_are_known CHECK (state BETWEEN 0 AND 3),
    CONSTRAINT only_waiting_feedback_is_leased CHECK (leased_by IS NULL OR state = 0),
    CONSTRAINT paused_feedback_has_a_reason CHECK ((state = 2) = (pause_reason IS NOT NULL)),
    CONSTRAINT delivered_feedback_has_a_time CHECK (state <> 1 OR delivered_at IS NOT NULL),
    CONSTRAINT feedback_attempts_count_from_zero CHECK (0 <= tries AND tries <= attempts)
) STRICT, WITHOUT ROWID;

-- In order per order and lane; the explainer looks here too.
CREATE INDEX feedbacks_of_order ON feedbacks (fort_id, lane, sequence);

-- What waits, lane by lane, and when the next one falls due.
CREATE INDEX feedbacks_waiting ON feedbacks (lane, due_at, created_at) WHERE state = 0;

CREATE INDEX feedbacks_due ON feedbacks (due_at) WHERE state = 0;

-- What is paused or stands behind another one.
CREATE INDEX feedbacks_held ON feedbacks (state, lane, created_at) WHERE state > 1;

-- Attempts to deliver: the first ones and the last ones of each feedback.
CREATE TABLE feedback_attempts (
    operation_id INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    target       TEXT    NOT NULL,
    status       INTEGER,
    error        TEXT,
    latency_ms   INTEGER NOT NULL,
    answer       TEXT    NOT NULL,
    PRIMARY KEY (operation_id, place, number)
) STRICT, WITHOUT ROWID;
