-- Invocations by their ids, which sort by time, and by the method that ran; what their records refer to; budgets.

CREATE TABLE InvocationsById (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    source TEXT NOT NULL,
    method TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;

INSERT INTO InvocationsById (id, source, method, record)
SELECT unhex(replace(id, '-', '')), substr(record ->> '$.source_object_id', 12), record ->> '$.method_name', record
FROM Invocations ORDER BY id;

DROP TABLE Invocations;
ALTER TABLE InvocationsById RENAME TO Invocations;

CREATE INDEX InvocationsByMethod ON Invocations (source, method, id);

-- Long JSON that records refer to, each text once.
CREATE TABLE Contents (
    number INTEGER PRIMARY KEY,
    -- SHA-256 of the text.
    digest BLOB NOT NULL UNIQUE,
    content TEXT NOT NULL
) STRICT;

-- What objects may use within an hour, and what they have used since it began.
CREATE TABLE Accounts (
    object INTEGER PRIMARY KEY REFERENCES UvmObjects (number),
    -- Null: the server's configuration says.
    fuel_per_hour INTEGER,
    used INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
