-- Servers that share the image, and which of them is to finish a message.

CREATE TABLE Servers (
    name TEXT PRIMARY KEY,
    -- The token of its lease; null when it has none.
    lease TEXT,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE Messages ADD COLUMN server TEXT;

-- Whose turn it is at an object.
DROP INDEX MessagesUnfinished;
CREATE INDEX MessagesUnfinished ON Messages (target, id) WHERE status IN ('accepted', 'running');
