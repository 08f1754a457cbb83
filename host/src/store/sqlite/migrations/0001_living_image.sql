-- The Living Image. Documents are JSON text kept as it was written; what is searched has a column of its own.

CREATE TABLE UvmObjects (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    -- Counts every change of the object, its methods included.
    rev INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

CREATE TABLE PrototypeLinks (
    object INTEGER NOT NULL REFERENCES UvmObjects (number),
    -- Prototypes are searched in this order.
    position INTEGER NOT NULL,
    prototype INTEGER NOT NULL REFERENCES UvmObjects (number),
    PRIMARY KEY (object, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE MethodVersions (
    number INTEGER PRIMARY KEY,
    object INTEGER NOT NULL REFERENCES UvmObjects (number),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- 1 for the version that runs, 0 for those before it.
    current INTEGER NOT NULL CHECK (current IN (0, 1)),
    source TEXT NOT NULL,
    quota TEXT NOT NULL,
    provenance TEXT NOT NULL,
    installed_at INTEGER NOT NULL,
    UNIQUE (object, name, version)
) STRICT;

-- Resolution: one look-up an object, however many versions its methods have.
CREATE UNIQUE INDEX CurrentMethods ON MethodVersions (object, name) WHERE current = 1;

CREATE TABLE Messages (
    -- The order of acceptance.
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    idempotency_key TEXT UNIQUE,
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE INDEX MessagesByTarget ON Messages (target, sequence, status);
CREATE INDEX MessagesByStatus ON Messages (status);

CREATE TABLE Invocations (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE MemoryNodes (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    rev INTEGER NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

CREATE TABLE ContextLinks (
    number INTEGER PRIMARY KEY,
    -- Ids with their collection: memories are linked to each other and to objects.
    from_id TEXT NOT NULL,
    to_id TEXT NOT NULL,
    attributes TEXT NOT NULL
) STRICT;

CREATE INDEX ContextLinksFrom ON ContextLinks (from_id);
CREATE INDEX ContextLinksTo ON ContextLinks (to_id);
