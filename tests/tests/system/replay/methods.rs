//! Methods whose runs are recorded: each does what could come out differently another time.

/// Name, body, and quota as JSON.
pub const METHODS: &[(&str, &str, Option<&str>)] = &[
    ("count", "self.n = getattr(self, 'n', 0) + 1\nprint('now', self.n)\nreturn self.n", None),
    ("describe", "return [self.key, sorted(self.attributes), list(args), kwargs]", None),
    (
        "chance",
        "import random, secrets, uuid\nreturn [random.random(), random.sample(range(100), 5), str(uuid.uuid4()), secrets.token_hex(8)]",
        None,
    ),
    ("moment", "import time, datetime\nreturn [time.time(), datetime.datetime.now().isoformat()]", None),
    ("identity", "return [id(self), id([]), repr(object()), hash('x'), list({'a', 'b', 'c', 'd'})]", None),
    ("wrong", "print('before')\nreturn {}[args[0]]", None),
    ("undeclared", "self.attributes['n'] = 99", None),
    (
        "ask",
        "before = self.n if 'n' in self.attributes else None\nreturn [self.count(), self.send('two', 'count'), before, self.n]",
        None,
    ),
    (
        "catch",
        "found = []\nfor name in ('wrong', 'count', 'undeclared'):\n    try:\n        found.append(self.send(self.key, name, 7))\n    except SendError as error:\n        found.append([error.kind, str(error)])\nreturn found",
        None,
    ),
    (
        "nowhere",
        "try:\n    return self.send('none', 'count')\nexcept SendError as error:\n    return str(error)",
        None,
    ),
    ("spin", "while True:\n    pass", Some(r#"{"fuel": 5000000}"#)),
    ("late", "while True:\n    pass", Some(r#"{"fuel": 1000000000000, "wall_ms": 50}"#)),
    ("hoard", "kept = []\nwhile True:\n    kept.append([0] * 1000000)", None),
    ("flood", "while True:\n    print('x' * 100)", Some(r#"{"output_bytes": 1000}"#)),
    ("deep", "def down(n):\n    return down(n + 1)\nreturn down(0)", None),
    ("endless", "return self.endless()", None),
    ("ask_spin", "return self.spin()", None),
    ("ask_late", "return self.late()", Some(r#"{"fuel": 1000000000000, "wall_ms": 10000}"#)),
];
