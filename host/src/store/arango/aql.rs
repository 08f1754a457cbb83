//! Every query that is sent.
//!
//! What is compared or sorted by more than equality is made of digits, lower-case letters a to f and signs at
//! fixed places only: the database sorts by the rules of a language, and those agree with the order of bytes
//! there. Where a result could be large, a first part of the query reads sizes from the documents and cuts, and
//! only what is left is read whole.

/// An object as it leaves the store, with `$o` at hand.
macro_rules! object {
    () => {
        "LET prototypes = (FOR l IN PrototypeLinks FILTER l._from == o._id SORT l.position RETURN l._to)
LET methods = (FOR m IN MethodVersions FILTER m.object == o._key AND m.current == true RETURN m.name)
LET attributes = o.exact != null ? o.exact : JSON_STRINGIFY(o.attributes)
"
    };
}

/// The lease of a server.
macro_rules! lease {
    () => {
        "LET lease = FIRST(FOR s IN Servers FILTER s._key == @server RETURN s.lease)
"
    };
}

pub const PING: &str = "FOR o IN UvmObjects LIMIT 1 RETURN 1";

/// What an explained query has to show that it runs on one server.
pub const SAMPLE: &str = "FOR o IN UvmObjects FOR l IN PrototypeLinks FILTER l._from == o._id RETURN l._to";

pub const META: &str = "FOR d IN Meta FILTER d._key == @key RETURN d";

pub const JOURNAL: &str = "INSERT { _key: @key, outcome: @outcome, at: DATE_NOW() / 1000 } INTO Journal OPTIONS { waitForSync: true }";

pub const OUTCOME: &str = "FOR j IN Journal FILTER j._key == @key RETURN j.outcome";

pub const NOW: &str = "RETURN DATE_NOW()";

pub const OBJECT: &str = concat!(
    "FOR o IN UvmObjects FILTER o._key == @key
",
    object!(),
    "RETURN { key: o._key, rev: o._rev, attributes, prototypes, methods }"
);

pub const OBJECTS: &str = concat!(
    "LET cut = (FOR o IN UvmObjects FILTER o.order > @after SORT o.order LIMIT @rows
    WINDOW { preceding: \"unbounded\", following: 0 } AGGREGATE total = SUM(o.bytes)
    RETURN { key: o._key, before: total - o.bytes })
FOR c IN SLICE(cut, 0, @limit) FILTER c.before <= @bytes
FOR o IN UvmObjects FILTER o._key == c.key
",
    object!(),
    "RETURN { seen: LENGTH(cut), item: { key: o._key, rev: o._rev, attributes, prototypes, methods } }"
);

/// Which of these objects there are, and at which revision.
pub const REVS: &str = "FOR o IN UvmObjects FILTER o._key IN @keys RETURN { key: o._key, rev: o._rev }";

pub const UNLINK: &str = "FOR l IN PrototypeLinks FILTER l._from == @from REMOVE l IN PrototypeLinks";

/// A lineage with its attributes, unless there are too many objects or they weigh too much.
pub const RESOLVE: &str = "WITH UvmObjects
LET members = (FOR o IN 0..@depth OUTBOUND @start PrototypeLinks OPTIONS { order: \"bfs\", uniqueVertices: \"global\" }
    FILTER o != null LIMIT @limit RETURN { key: o._key, bytes: o.bytes })
LET total = SUM(members[*].bytes)
LET whole = LENGTH(members) < @limit AND total <= @bytes
FOR c IN members
FOR o IN UvmObjects FILTER o._key == c.key
LET prototypes = (FOR l IN PrototypeLinks FILTER l._from == o._id SORT l.position RETURN l._to)
LET methods = (FOR m IN MethodVersions FILTER o._id == @start FILTER m.object == o._key AND m.current == true RETURN m.name)
LET method = FIRST(FOR m IN MethodVersions FILTER m.object == o._key AND m.name == @name AND m.current == true RETURN m.record)
LET account = FIRST(FOR a IN Accounts FILTER o._id == @start FILTER a._key == o._key RETURN a.record)
LET attributes = whole ? (o.exact != null ? o.exact : JSON_STRINGIFY(o.attributes)) : null
RETURN { total, key: o._key, rev: o._rev, attributes, prototypes, methods, method, account }";

pub const INHERITED_METHODS: &str = "WITH UvmObjects
FOR o IN 0..@depth OUTBOUND @start PrototypeLinks OPTIONS { order: \"bfs\", uniqueVertices: \"global\" }
FILTER o != null
LIMIT @limit
LET prototypes = (FOR l IN PrototypeLinks FILTER l._from == o._id SORT l.position RETURN l._to)
LET methods = (FOR m IN MethodVersions FILTER m.object == o._key AND m.current == true RETURN m.record)
RETURN { key: o._key, prototypes, methods }";

pub const OWN_METHODS: &str = "FOR o IN UvmObjects FILTER o._key == @key
RETURN (FOR m IN MethodVersions FILTER m.object == o._key AND m.current == true RETURN m.record)";

pub const VERSIONS: &str = "FOR o IN UvmObjects FILTER o._key == @key
RETURN (FOR m IN MethodVersions FILTER m.object == o._key AND m.name == @name SORT m.version DESC RETURN m.record)";

pub const VERSION: &str = "FOR o IN UvmObjects FILTER o._key == @key
RETURN FIRST(FOR m IN MethodVersions FILTER m.object == o._key AND m.name == @name AND m.version == @version RETURN m.record)";

/// The version that runs.
pub const CURRENT: &str =
    "FOR m IN MethodVersions FILTER m.object == @object AND m.name == @name AND m.current == true
RETURN { key: m._key, record: m.record }";

/// Which of these objects there are, with their accounts.
pub const ACCOUNTS: &str = "FOR o IN UvmObjects FILTER o._key IN @keys
LET record = FIRST(FOR a IN Accounts FILTER a._key == o._key RETURN a.record)
RETURN { key: o._key, record }";

/// What decides whether a message is taken in.
pub const ARRIVAL: &str = concat!(
    lease!(),
    "LET before = FIRST(FOR m IN Messages FILTER m._key == @id RETURN m.record)
RETURN { lease, before }"
);

pub const ARRIVAL_WITH_KEY: &str = concat!(
    lease!(),
    "LET keyed = FIRST(FOR m IN Messages FILTER m.idempotency == @idempotency RETURN m.record)
LET same = FIRST(FOR m IN Messages FILTER m._key == @id RETURN m.record)
RETURN { lease, before: keyed != null ? keyed : same }"
);

/// What decides whether a cycle is committed.
pub const STANDING: &str = concat!(
    lease!(),
    "LET open = FIRST(FOR m IN Messages FILTER m._key == @id RETURN m.open)
LET earlier = FIRST(FOR m IN Messages FILTER m.target == @target AND m.open == true AND m.id < @id SORT m.id LIMIT 1 RETURN m.id)
LET revs = (FOR o IN UvmObjects FILTER o._key IN @keys RETURN { key: o._key, rev: o._rev })
RETURN { lease, open, earlier, revs }"
);

pub const MESSAGE: &str = "FOR m IN Messages FILTER m._key == @id RETURN m.record";

pub const INVOCATION: &str = "FOR i IN Invocations FILTER i._key == @id RETURN i.record";

pub const KEPT: &str = "FOR c IN Contents FILTER c._key == @digest RETURN c.content";

/// Gives invocations what they are searched by, as their records say it.
pub const DESCRIBE: &str = "FOR i IN Invocations FILTER i.id > @after SORT i.id LIMIT @rows
LET record = JSON_PARSE(i.record)
UPDATE i WITH { source: PARSE_IDENTIFIER(record.source_object_id).key, method: record.method_name } IN Invocations
RETURN i.id";

pub const UNFINISHED: &str =
    "FOR m IN Messages FILTER m.open == true AND m.server == @server SORT m.id RETURN m.record";

/// A page of messages, newest first, with those filters that are given.
pub fn messages(target: bool, status: bool, after: bool) -> String {
    let filters = only([
        (target, " FILTER m.target == @target"),
        (status, " FILTER m.status IN @status"),
        (after, " FILTER m.id < @after"),
    ]);
    format!(
        "LET cut = (FOR m IN Messages{filters} SORT m.id DESC LIMIT @rows
    WINDOW {{ preceding: \"unbounded\", following: 0 }} AGGREGATE total = SUM(m.bytes)
    RETURN {{ key: m._key, before: total - m.bytes }})
FOR c IN SLICE(cut, 0, @limit) FILTER c.before <= @bytes
FOR m IN Messages FILTER m._key == c.key
RETURN {{ seen: LENGTH(cut), item: m.record }}"
    )
}

/// A page of invocations, newest first, with those filters that are given: the method, since when, and after which.
pub fn invocations(given: [bool; 3]) -> String {
    format!(
        "LET cut = (FOR i IN Invocations{} SORT i.id DESC LIMIT @rows
    WINDOW {{ preceding: \"unbounded\", following: 0 }} AGGREGATE total = SUM(i.bytes)
    RETURN {{ key: i._key, before: total - i.bytes }})
FOR c IN SLICE(cut, 0, @limit) FILTER c.before <= @bytes
FOR i IN Invocations FILTER i._key == c.key
RETURN {{ seen: LENGTH(cut), item: i.record }}",
        of_invocations(given)
    )
}

/// How many invocations those filters find.
pub fn count_invocations(given: [bool; 3]) -> String {
    format!("FOR i IN Invocations{} COLLECT WITH COUNT INTO found RETURN found", of_invocations(given))
}

fn of_invocations([method, since, after]: [bool; 3]) -> String {
    only([
        (method, " FILTER i.source == @source AND i.method == @method"),
        (since, " FILTER i.id >= @since"),
        (after, " FILTER i.id < @after"),
    ])
}

/// Those filters that are given.
fn only(filters: [(bool, &str); 3]) -> String {
    filters.into_iter().filter_map(|(given, filter)| given.then_some(filter)).collect()
}

pub const JOIN: &str = "INSERT { _key: @server, lease: @lease, until: DATE_NOW() + @time } INTO Servers OPTIONS { overwriteMode: \"replace\" }";

pub const RENEW: &str = "FOR s IN Servers FILTER s._key == @server AND s.lease == @lease
UPDATE s WITH { until: DATE_NOW() + @time } IN Servers RETURN NEW.lease";

pub const LEAVE: &str = "FOR s IN Servers FILTER s._key == @server AND s.lease == @lease REMOVE s IN Servers";

pub const LEASE: &str = "FOR s IN Servers FILTER s._key == @server RETURN s.lease";

/// Servers whose time is up, and those that have messages and no lease.
pub const GONE: &str = "LET leased = (FOR s IN Servers RETURN s._key)
LET lapsed = (FOR s IN Servers FILTER s.until < DATE_NOW() RETURN s._key)
LET waiting = (FOR m IN Messages FILTER m.open == true AND m.server != null COLLECT server = m.server RETURN server)
RETURN UNION_DISTINCT(lapsed, MINUS(waiting, leased))";

pub const END_LEASES: &str =
    "FOR s IN Servers FILTER s._key IN @gone AND s.until < DATE_NOW() REMOVE s IN Servers";

pub const TAKE_OVER: &str = "LET leased = (FOR s IN Servers FILTER s._key IN @gone RETURN s._key)
FOR m IN Messages FILTER m.open == true AND (m.server == null OR (m.server IN @gone AND m.server NOT IN leased))
UPDATE m WITH { server: @server } IN Messages RETURN 1";

pub const COUNTS: &str = "RETURN { objects: LENGTH(UvmObjects), versions: LENGTH(MethodVersions), messages: LENGTH(Messages), invocations: LENGTH(Invocations) }";

pub const SERVERS: &str = "LET live = (FOR s IN Servers FILTER s.until >= DATE_NOW() RETURN 1)
LET unfinished = (FOR m IN Messages FILTER m.open == true RETURN 1)
RETURN { live: LENGTH(live), unfinished: LENGTH(unfinished) }";

/// What there is besides the roots.
pub const CONTENT: &str =
    "LET objects = (FOR o IN UvmObjects FILTER o._key NOT IN [\"nil\", \"system\"] LIMIT 1 RETURN 1)
LET versions = (FOR m IN MethodVersions LIMIT 1 RETURN 1)
LET messages = (FOR m IN Messages LIMIT 1 RETURN 1)
LET invocations = (FOR i IN Invocations LIMIT 1 RETURN 1)
LET contents = (FOR c IN Contents LIMIT 1 RETURN 1)
LET accounts = (FOR a IN Accounts LIMIT 1 RETURN 1)
RETURN LENGTH(objects) + LENGTH(versions) + LENGTH(messages) + LENGTH(invocations) + LENGTH(contents) + LENGTH(accounts)";

pub const FORGET: &str = "REMOVE @key IN Meta";

pub const ALL_OBJECTS: &str =
    "LET cut = (FOR o IN UvmObjects FILTER o.order > @after SORT o.order LIMIT @rows
    WINDOW { preceding: \"unbounded\", following: 0 } AGGREGATE total = SUM(o.bytes)
    RETURN { key: o._key, before: total - o.bytes })
FOR c IN cut FILTER c.before <= @bytes
FOR o IN UvmObjects FILTER o._key == c.key
LET attributes = o.exact != null ? o.exact : JSON_STRINGIFY(o.attributes)
RETURN { after: o.order, key: o._key, attributes }";

pub const LINKS: &str = "FOR o IN UvmObjects FILTER o.order > @after SORT o.order LIMIT @rows
LET prototypes = (FOR l IN PrototypeLinks FILTER l._from == o._id SORT l.position RETURN l._to)
RETURN { after: o.order, key: o._key, prototypes }";

pub const ALL_VERSIONS: &str = "FOR m IN MethodVersions FILTER m.order > @after SORT m.order LIMIT @rows
RETURN { after: m.order, record: m.record }";

pub const ALL_MESSAGES: &str = "LET cut = (FOR m IN Messages FILTER m.id > @after SORT m.id LIMIT @rows
    WINDOW { preceding: \"unbounded\", following: 0 } AGGREGATE total = SUM(m.bytes)
    RETURN { key: m._key, before: total - m.bytes })
FOR c IN cut FILTER c.before <= @bytes
FOR m IN Messages FILTER m._key == c.key
RETURN { after: m.id, record: m.record, idempotency_key: m.idempotency_key }";

pub const ALL_CONTENTS: &str = "LET cut = (FOR c IN Contents FILTER c._key > @after SORT c._key LIMIT @rows
    WINDOW { preceding: \"unbounded\", following: 0 } AGGREGATE total = SUM(c.bytes)
    RETURN { key: c._key, before: total - c.bytes })
FOR k IN cut FILTER k.before <= @bytes
FOR c IN Contents FILTER c._key == k.key
RETURN { after: c._key, content: c.content }";

pub const ALL_INVOCATIONS: &str = "LET cut = (FOR i IN Invocations FILTER i.id > @after SORT i.id LIMIT @rows
    WINDOW { preceding: \"unbounded\", following: 0 } AGGREGATE total = SUM(i.bytes)
    RETURN { key: i._key, before: total - i.bytes })
FOR c IN cut FILTER c.before <= @bytes
FOR i IN Invocations FILTER i._key == c.key
RETURN { after: i.id, record: i.record }";

pub const ALL_ACCOUNTS: &str = "FOR a IN Accounts FILTER a.order > @after SORT a.order LIMIT @rows
RETURN { after: a.order, key: a._key, record: a.record }";
