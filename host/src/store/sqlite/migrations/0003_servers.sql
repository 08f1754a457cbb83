-- Servers that share the image, and which of them is to finish a message.

CREATE TABLE Servers (
    name TEXT PRIMARY KEY,
    -- The token of its lease; null when it has none.
    lease TEXT,
    expires_at INTEGER NOT NULL,
    -- For how long it was given, in milliseconds.
    duration INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE Messages ADD COLUMN server TEXT;

-- Whose turn it is at an object, and what a server has to finish.
CREATE INDEX MessagesInLine ON Messages (target, id) WHERE status IN ('accepted', 'running');
CREATE INDEX MessagesOfServer ON Messages (server, id) WHERE status IN ('accepted', 'running');
