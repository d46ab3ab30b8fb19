-- The pictures that merchants' pages show, as their files are. Apart from the accounts, which are read often.
CREATE TABLE merchant_logos (
    merchant_id INTEGER NOT NULL PRIMARY KEY REFERENCES merchants (merchant_id),
    picture     BLOB    NOT NULL
) STRICT;
