-- The trusted channel, encrypted: the keys that merchants encrypt card data to, and the nonces that are used up.

CREATE TABLE channel_keys (
    channel_key_id INTEGER PRIMARY KEY,
    kid            TEXT    NOT NULL UNIQUE,
    algorithm      TEXT    NOT NULL,
    -- The public half, a JSON Web Key.
    public         TEXT    NOT NULL,
    -- The private half, sealed by the vault.
    sealed         BLOB    NOT NULL,
    created_at     INTEGER NOT NULL,
    -- Once a newer key has taken its place: until when it still opens what comes.
    accepted_until INTEGER
) STRICT;

-- Digests of nonces, kept for as long as a message with one would be young enough.
CREATE TABLE channel_nonces (
    digest     BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    CONSTRAINT digests_are_sha_256 CHECK (length(digest) = 32)
) STRICT, WITHOUT ROWID;

CREATE INDEX channel_nonces_expired ON channel_nonces (expires_at);
