-- What the network was told of an authentication of the customer (3-D Secure), beside the operation that told it. Most
-- operations tell nothing.
CREATE TABLE authentications (
    operation_id      INTEGER NOT NULL PRIMARY KEY,
    status            TEXT    NOT NULL,
    eci               TEXT,
    value             TEXT,
    ds_transaction_id TEXT,
    xid               TEXT,
    version           TEXT,
    run_by            INTEGER NOT NULL
) STRICT;
