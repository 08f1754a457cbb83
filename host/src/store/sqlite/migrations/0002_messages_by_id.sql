-- Messages in the order of their ids, which is the order of acceptance; indexes that a message without an
-- idempotency key, or one that has ended, is not part of.

CREATE TABLE MessagesById (
    number INTEGER PRIMARY KEY,
    -- Sorts by time.
    id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT,
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;

INSERT INTO MessagesById (id, idempotency_key, target, status, record)
SELECT id, idempotency_key, target, status, record FROM Messages ORDER BY id;

DROP TABLE Messages;
ALTER TABLE MessagesById RENAME TO Messages;

CREATE UNIQUE INDEX MessagesByKey ON Messages (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX MessagesByTarget ON Messages (target, id);
CREATE INDEX MessagesUnfinished ON Messages (id) WHERE status IN ('accepted', 'running');
CREATE INDEX MessagesFailed ON Messages (id) WHERE status = 'failed';
