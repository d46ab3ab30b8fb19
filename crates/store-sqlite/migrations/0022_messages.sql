-- Messages to customers and to merchants' servers: an outbox. A row is written in the transaction of what it tells of, and
-- holds neither a text nor an address; both are made when it is sent.
CREATE TABLE messages (
    message_id  INTEGER PRIMARY KEY,
    -- merchant_id * 16 + channel: what waits in a lane waits for nobody else's.
    lane        INTEGER NOT NULL,
    -- What it is about: 0 a payment link.
    about_kind  INTEGER NOT NULL,
    about_id    INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    -- What tells it from others of its kind, so that each is written once.
    occasion    INTEGER NOT NULL,
    -- 0 waiting, 1 sent, 2 given up, 3 dropped because it was not true any more.
    state       INTEGER NOT NULL,
    -- While it is leased: the lease's end.
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    tried_since INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    settled_at  INTEGER,
    reason      TEXT,
    leased_by   INTEGER,
    CONSTRAINT message_states_are_known CHECK (state BETWEEN 0 AND 3),
    CONSTRAINT only_waiting_messages_are_leased CHECK (leased_by IS NULL OR state = 0),
    CONSTRAINT settled_messages_have_a_time CHECK ((state = 0) = (settled_at IS NULL)),
    CONSTRAINT a_message_that_was_not_sent_has_a_reason CHECK (state < 2 OR reason IS NOT NULL),
    CONSTRAINT message_attempts_count_from_zero CHECK (0 <= tries AND tries <= attempts)
) STRICT;

CREATE UNIQUE INDEX messages_are_written_once ON messages (about_kind, about_id, lane, kind, occasion);

CREATE INDEX messages_waiting ON messages (lane, due_at) WHERE state = 0;

CREATE INDEX messages_due ON messages (due_at) WHERE state = 0;

CREATE INDEX messages_given_up ON messages (lane) WHERE state = 2;

-- How many a merchant's customers were sent within a day.
CREATE INDEX messages_by_day ON messages (lane, created_at);

-- Attempts to send: the first ones of each message.
CREATE TABLE message_attempts (
    message_id INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    target     TEXT    NOT NULL,
    status     INTEGER,
    error      TEXT,
    latency_ms INTEGER NOT NULL,
    answer     TEXT    NOT NULL,
    PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;

-- When something follows for a payment link by the time: a reminder, or its end.
ALTER TABLE payment_links ADD COLUMN watch_at INTEGER;

UPDATE payment_links SET watch_at = expires_at WHERE closed_at IS NULL;

CREATE INDEX payment_links_watched ON payment_links (watch_at) WHERE watch_at IS NOT NULL;
