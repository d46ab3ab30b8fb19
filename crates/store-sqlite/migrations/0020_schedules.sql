-- What the gateway charges by itself. The columns are those that are searched and guarded; the body is the whole schedule.
CREATE TABLE schedules (
    agreement   INTEGER PRIMARY KEY,
    merchant_id INTEGER NOT NULL,
    -- 0 opening, 1 active, 2 paused, 3 ended.
    state       INTEGER NOT NULL,
    -- The due date that comes next or is being charged: days since 1970-01-01, and the number of the attempt.
    due_day     INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    -- When something is to be done about it.
    next_at     INTEGER,
    -- The order of the attempt that is under way or not known.
    open_order  INTEGER,
    -- The life that works on it, if that lives.
    owner       INTEGER NOT NULL DEFAULT 0,
    -- JSON.
    body        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    CONSTRAINT schedule_states_are_known CHECK (state BETWEEN 0 AND 3),
    CONSTRAINT only_active_schedules_without_an_open_attempt_are_due
        CHECK (next_at IS NULL OR (state = 1 AND open_order IS NULL)),
    CONSTRAINT attempts_count_from_one CHECK (attempt >= 1),
    CONSTRAINT schedule_version_counts_from_one CHECK (version >= 1)
) STRICT;

CREATE INDEX schedules_in_order ON schedules (merchant_id, agreement);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;

CREATE INDEX schedules_due_of_merchant ON schedules (merchant_id, next_at) WHERE next_at IS NOT NULL;

-- Each attempt to charge a due date, begun in the commit of its intent: there is one of each number.
CREATE TABLE schedule_attempts (
    agreement  INTEGER NOT NULL,
    due_day    INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    fort_id    INTEGER NOT NULL,
    currency   INTEGER NOT NULL,
    amount     INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL,
    -- 0 under way or not known, 1 approved, 2 declined, 3 came to nothing.
    state      INTEGER NOT NULL,
    advice     INTEGER,
    code       INTEGER,
    settled_at INTEGER,
    PRIMARY KEY (agreement, due_day, attempt),
    CONSTRAINT schedule_attempt_states_are_known CHECK (state BETWEEN 0 AND 3),
    CONSTRAINT only_declines_have_an_advice CHECK ((state = 2) = (advice IS NOT NULL)),
    CONSTRAINT only_settled_attempts_have_a_code CHECK ((state = 0) = (code IS NULL AND settled_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX schedule_attempts_of_order ON schedule_attempts (fort_id);

CREATE UNIQUE INDEX schedule_attempts_one_under_way ON schedule_attempts (agreement) WHERE state = 0;

-- What merchants are told of schedules by notification feedback. The place goes on behind those of outcomes.
CREATE TABLE schedule_news (
    agreement INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    -- JSON.
    body      TEXT    NOT NULL,
    PRIMARY KEY (agreement, place)
) STRICT, WITHOUT ROWID;
