-- Reports that merchants have ordered. The body is JSON: what the core calls the specification of a report.
CREATE TABLE reports (
    merchant_id INTEGER NOT NULL,
    reference   TEXT    NOT NULL,
    body        TEXT    NOT NULL,
    -- 0 pending, 1 ready, 2 too large.
    state       INTEGER NOT NULL,
    row_count   INTEGER,
    ordered_at  INTEGER NOT NULL,
    PRIMARY KEY (merchant_id, reference),
    CONSTRAINT report_states_are_known CHECK (state BETWEEN 0 AND 2),
    CONSTRAINT counted_reports_have_a_count CHECK ((state = 0) = (row_count IS NULL))
) STRICT, WITHOUT ROWID;

-- Numbers of operations are made of the time (microseconds * 100), so that the table itself has them in the order in which
-- they were sent, and payments by the API need no further index. Here are the others, whose number is more than a second
-- from the moment at which they were sent: the first operation of an order that waited for its customer on a page, and
-- what was sent while a clock was put right.
CREATE INDEX operations_out_of_step ON operations (sent_at, operation_id)
    WHERE abs(sent_at - operation_id / 100) > 1000000;
