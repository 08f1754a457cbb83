# Pieces of which the generated programs are put together. `$` and a letter is a place for an expression of a kind
# (grammar.rs); `$u` is a number of the piece's own.
# ---
out.append(repr($A))
# ---
note(lambda: $I)
note(lambda: $F)
# ---
note(lambda: $S)
note(lambda: $B)
# ---
note(lambda: $L)
note(lambda: $D)
# ---
note(lambda: [list($T), list($T | $T)])
# ---
note(lambda: {type(x).__name__: hash(x) for x in ($S, $F, ($I, $S), frozenset($S), $B, object(), len, int)})
# ---
note(lambda: [[x for x in {object() for _ in range($k)}], {(lambda: 0), len, print, type, Exception}])
# ---
nans = [float("nan"), float("inf") * 0, $F - $F, $F * $F, -float("nan"), math.nan + 1]
for value in nans:
    note(lambda: [struct.pack("<d", value).hex(), struct.pack("<f", value).hex(), value.hex(), value == value, hash(1.5)])
note(lambda: [min(nans), max(nans), sorted(nans), sum(nans)])
# ---
note(lambda: [random.random(), random.randint(-5, $k), random.choice($S or "x"), random.choices("abc", k=$k)])
deck = list(range($k))
random.shuffle(deck)
note(lambda: [deck, random.sample(deck, 1), random.getrandbits(90), random.gauss(0, 1), random.uniform(1, 2)])
# ---
dice = random.Random($n)
note(lambda: [dice.random(), dice.randrange(1000), dice.betavariate(1, 2), dice.expovariate(1.5), dice.triangular()])
note(lambda: random.SystemRandom().randrange(10 ** 9))
# ---
note(lambda: [time.time(), time.monotonic(), time.perf_counter(), time.time_ns(), time.gmtime()[:6]])
note(lambda: [time.strftime("%A %d %B %Y %H:%M:%S %Z"), time.localtime()[:9], time.tzname, time.ctime()])
# ---
note(lambda: [datetime.datetime.now().isoformat(), datetime.date.today().isoformat(), datetime.datetime.now(datetime.UTC)])
moment = datetime.datetime(2024, 2, 28, 23, 59, 59, 999999) + datetime.timedelta(seconds=$k, days=$n % 500)
note(lambda: [moment.isoformat(), moment.strftime("%j %U %c %x"), moment.isocalendar(), moment.timestamp(), hash(moment)])
# ---
note(lambda: [uuid.uuid1(), uuid.uuid3(uuid.NAMESPACE_URL, $S), uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_DNS, $S)])
note(lambda: [secrets.token_hex($k), secrets.choice("abcdef"), secrets.randbelow(1000), secrets.token_urlsafe(5)])
# ---
things = [object(), [], {}, set(), (1, $n), "x" * $k, b"y" * $k, 1.5, 10 ** $k, lambda: 0, Exception(), range(3), type, self]
note(lambda: [id(thing) for thing in things])
note(lambda: [repr(thing) for thing in sorted(things, key=id)])
# ---
class Plain$u:
    def method(self):
        yield 1
made = Plain$u()
note(lambda: [made, made.method, made.method(), Plain$u, Plain$u.method, iter([]), {}.items(), map(str, []), object()])
note(lambda: [hash(made) == hash(made), hash(Plain$u()), {Plain$u(): number for number in range($k)}])
# ---
def outer$u(depth):
    if depth == 0:
        raise KeyError($S)
    try:
        outer$u(depth - 1)
    except KeyError as error:
        raise ValueError(depth, $n) from error
note(lambda: outer$u($k))
# ---
def down$u(n):
    return down$u(n + 1) + 1
try:
    down$u(0)
except RecursionError as error:
    out.append(str(error))
# ---
depth = [0]
def deeper$u(*items):
    depth[0] += 1
    return sorted(items, key=lambda item: deeper$u(*items))
try:
    deeper$u(1, 2)
except RecursionError:
    out.append(repr(depth))
# ---
hoard = [bytearray(400000 * $k) for _ in range($k)]
note(lambda: (len(hoard), sum(map(len, hoard)), id(hoard[-1]) % 64))
hoard.clear()
# ---
stack = [[number] * 10 for number in range(10000 * $k)]
note(lambda: (len(stack), stack[-1][0], id(stack[-1])))
# ---
text = "ab" * (1000 * $k)
note(lambda: (len(text + text), hash(text), zlib.crc32(text.encode()), zlib.compress(text.encode()).hex()))
# ---
buried = []
class Mortal$u:
    def __init__(self, name):
        self.name = name
    def __del__(self):
        buried.append(self.name)
for number in range(300 * $k):
    left, right = Mortal$u(number), Mortal$u(-number)
    left.other, right.other = right, left
note(lambda: (len(buried), buried[:20], buried[-20:]))
# ---
import gc, weakref
died = []
class Frail$u:
    pass
kept = [Frail$u() for _ in range($k)]
watchers = [weakref.ref(each, lambda _, number=number: died.append(number)) for number, each in enumerate(kept)]
weak = weakref.WeakValueDictionary(enumerate(kept))
kept[0].loop = kept
del kept[1:2]
note(lambda: (died, list(weak), gc.collect(), [watcher() is None for watcher in watchers]))
kept = None
note(lambda: (gc.collect(), died, list(weak), gc.get_count()))
# ---
rows = [($n, $S), ($n, $S), ($n, $S), ($k, $S)]
note(lambda: [sorted(rows), sorted(rows, key=lambda row: row[0] % 3), sorted(rows, key=hash), min(rows, key=repr)])
note(lambda: [sorted(rows, key=functools.cmp_to_key(lambda a, b: hash(a) - hash(b))), sorted($T, key=str)])
# ---
note(lambda: [re.findall(r"(\w)(\d+)?", $S), re.sub(r"([a-e])", r"<\1>", $S), re.split(r"[\s,]+", $S)])
note(lambda: [m.span() for m in re.finditer(r"(?i)[a-z]+?\B|\d{1,3}", $S + "abc 123 de45")])
# ---
note(lambda: [7 ** (50 * $k) % 10 ** 30, $b ** $k, ($b * $b) // ($k + 7), math.factorial($k * 10), math.comb(60, $k)])
note(lambda: [str($b ** 9), int(str($b), 10), ($b).to_bytes(40, "little", signed=True), bin($b), hash($b ** 5)])
# ---
note(lambda: f"{$f:>20.6f}|{$n:+08d}|{$s!r:^30}|{$b:_}|{$f:e}|{$n:#b}")
note(lambda: "{0:>10} {name!s:*^15} {1!a}".format($S, $S, name=$F))
note(lambda: "%-10s|%+.4f|%#o|%c|%%|%x" % ($S, $F, $n % 999, 65 + $k, abs($n)))
# ---
letters = $S + "ßİıÅÅﬁ①Ω𝔘"
note(lambda: [unicodedata.normalize(form, letters) for form in ("NFC", "NFD", "NFKC", "NFKD")])
note(lambda: [letters.casefold(), letters.upper(), letters.lower(), letters.title(), letters.swapcase(), ascii(letters)])
note(lambda: [(unicodedata.category(c), unicodedata.name(c, "?"), c.isalnum(), c.isidentifier()) for c in letters])
# ---
note(lambda: list(itertools.islice(itertools.product($S[:3], repeat=2), 9)))
note(lambda: [(key, list(group)) for key, group in itertools.groupby(sorted($S), key=str.isalpha)])
note(lambda: [list(itertools.chain($S, $L)), list(itertools.batched(range($k), 2)), list(itertools.pairwise($S))])
# ---
@functools.lru_cache(maxsize=$k)
def cached$u(n):
    return n if n < 2 else cached$u(n - 1) + cached$u(n - 2)
note(lambda: [cached$u(10 + $k), cached$u.cache_info(), functools.reduce(lambda a, b: a * 3 + b, $J)])
# ---
@dataclasses.dataclass(order=True, frozen=True)
class Point$u:
    x: int
    y: float = $f
    tags: tuple = ()
points = [Point$u($n), Point$u($n, $f), Point$u($k, 0.5, ($s,))]
note(lambda: [points, sorted(points, key=repr), [hash(p) for p in points], dataclasses.asdict(points[0]), dataclasses.replace(points[1], x=1)])
note(lambda: setattr(points[0], "x", 1))
# ---
class Colour$u(enum.Flag):
    RED = 1
    GREEN = 2
    BLUE = 4
class Level$u(enum.IntEnum):
    LOW = $k
    HIGH = 100
note(lambda: [Colour$u.RED | Colour$u.BLUE, list(Colour$u), ~Colour$u.GREEN, Colour$u(3), hash(Colour$u.RED), Level$u.LOW < Level$u.HIGH])
note(lambda: Level$u($n))
note(lambda: Colour$u(9))
# ---
count = collections.Counter($S + $S)
queue = collections.deque($L, maxlen=$k)
queue.rotate(1)
note(lambda: [count.most_common(5), count, queue, collections.ChainMap($D, $D), collections.OrderedDict($D)])
Row$u = collections.namedtuple("Row$u", "a b c", defaults=[$n])
note(lambda: [Row$u($n, $s), Row$u(1, 2)._asdict(), hash(Row$u(1, 2, 3))])
# ---
note(lambda: json.dumps($D, default=repr, sort_keys=True))
note(lambda: json.loads(json.dumps([$n, $f, $s, {$s: [None, True]}])))
note(lambda: json.loads('{"a": [1, 2.50, 1e400, "\\ud83d\\ude00"], "a": -0.0, "b": NaN}'))
# ---
sample = [$f, $k, $n, $k]
note(lambda: [statistics.mean(sample), statistics.stdev(sample), statistics.median(sample), statistics.mode(sample)])
note(lambda: [statistics.quantiles(sample), statistics.linear_regression(sample, sample[::-1]), statistics.fsum(sample)])
# ---
note(lambda: [decimal.Decimal($n) / 7, decimal.Decimal("1.10") ** $k, decimal.Decimal(2).sqrt(), hash(decimal.Decimal("0.1"))])
note(lambda: [fractions.Fraction($n, $k + 1) + fractions.Fraction(1, 3), fractions.Fraction(0.1), hash(fractions.Fraction(22, 7))])
note(lambda: cmath.exp(complex($F % 20, $F % 20)))
# ---
def numbers$u(limit):
    got = 0
    try:
        while got < limit:
            got += (yield got) or 1
    except GeneratorExit:
        out.append("closed")
    finally:
        out.append("over")
running = numbers$u($k * 3)
note(lambda: [next(running), running.send(2), running.send($k), next(running), next(running, "end")])
note(lambda: running.throw(KeyError($s)))
# ---
note(lambda: [[x * y for x in range($k) if x % 2] for y in $J[:3]])
note(lambda: {x: {y for y in $S if y != x} for x in $S})
note(lambda: [z for z in (lambda a: (b for b in a if b))($L)])
# ---
class Meta$u(type):
    def __new__(mcs, name, bases, names, **extra):
        made = super().__new__(mcs, name, bases, names)
        made.order = [key for key in names if not key.startswith("__")]
        return made
    def __prepare__(name, bases, **extra):
        return {"first": name}
class Base$u(metaclass=Meta$u, extra=$k):
    __slots__ = ("a", "b")
    def __init_subclass__(cls, **rest):
        out.append((cls.__name__, sorted(rest)))
class Derived$u(Base$u, tag=$n):
    z = $n
    a1 = property(lambda self: $n)
note(lambda: [Base$u.order, Derived$u.order, Derived$u().a1, Derived$u.__mro__, Base$u()])
note(lambda: Base$u().a)
# ---
class Vector$u:
    def __init__(self, *parts):
        self.parts = parts
    def __add__(self, other):
        return Vector$u(*(a + b for a, b in zip(self.parts, other.parts)))
    def __eq__(self, other):
        return self.parts == other.parts
    def __hash__(self):
        return hash(self.parts)
    def __getattr__(self, name):
        return f"{name} of {self.parts}"
    def __repr__(self):
        return f"Vector{self.parts}"
note(lambda: [Vector$u($n, $f) + Vector$u($k, $f), {Vector$u(1), Vector$u(1), Vector$u($k)}, Vector$u().length])
# ---
note(lambda: self.send("UvmObjects/other", "echo", $n, $s, key=$f))
# ---
note(lambda: self.send("UvmObjects/other", "refuse", $s))
note(lambda: self.unknown_$k($n))
# ---
self.attributes["sent"] = $n
self._p_changed = True
note(lambda: self.send("UvmObjects/other", "touch", $k))
note(lambda: [self.attributes, self.touched])
# ---
note(lambda: self.send("UvmObjects/other", "run", "return [hash('$k'), args, id(self), __import__('random').random()]"))
note(lambda: self.send("UvmObjects/other", "run", "import random\nself.n = random.random()\nprint(self.n)\nreturn [args, self.n]", $n))
# ---
note(lambda: self.send("UvmObjects/other", "run", "total = 0\nfor x in range(1000 * args[0]):\n    total += x\nreturn total", $k))
# ---
self.total = self.total + $n
self.attributes["items"].append($s)
note(lambda: [self.attributes, self.shared, self.nothing])
# ---
self.shared.append($k)
self._p_changed = True
# ---
note(lambda: [getattr(self, "total"), hasattr(self, "none"), getattr(self, "none", $n), self.key, repr(self), self == self])
# ---
for number in range($k * 3):
    print(number, $s, sep="|", end=";\n")
print({$s, $s}, $f, object())
# ---
total = 0
for number in range(500 * $k):
    total = (total * 31 + number) % 1000003
    if total % 7 == $k:
        continue
out.append(total)
# ---
note(lambda: [heapq.nlargest(3, $J), bisect.bisect([1, 5, 9], $n), textwrap.wrap($S * 3, 12), html.escape($S)])
note(lambda: [difflib.get_close_matches("apple", ["ape", "apples", $S]), difflib.SequenceMatcher(None, $S, $S).ratio()])
# ---
note(lambda: [hashlib.new(name, $B).hexdigest() for name in ("md5", "sha1", "sha256", "sha3_256", "blake2s")])
note(lambda: [hmac.new(b"key", $B, "sha256").hexdigest(), base64.b85encode($B), binascii.crc32($B), zlib.adler32($B)])
# ---
note(lambda: [copy.deepcopy($D), pprint.pformat($D, width=20), array.array("d", [$f, $f]), operator.itemgetter(0)($J)])
note(lambda: list(graphlib.TopologicalSorter({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "$k": {"a"}}).static_order()))
note(lambda: [ipaddress.ip_network("10.0.0.0/30"), list(ipaddress.ip_network("10.$k.0.0/30")), calendar.monthrange(2024, $k)])
# ---
sink = io.StringIO()
csv.writer(sink).writerows([[$n, $s, $f], $L])
note(lambda: [sink.getvalue(), list(csv.reader(io.StringIO(sink.getvalue()))), colorsys.rgb_to_hsv(0.2, 0.$k, 0.5)])
# ---
def counter$u():
    n = $n
    def step(by=$k):
        nonlocal n
        n += by
        return n
    return step
step = counter$u()
note(lambda: [step(), step(2), (m := step()), m * 2])
# ---
match $A:
    case int(n) if n > 0:
        out.append(["positive", n % 1000])
    case str() | bytes() as text:
        out.append(["text", len(text)])
    case [first, *rest]:
        out.append(["list", repr(first), len(rest)])
    case {"a": value, **rest}:
        out.append(["dict", repr(value)])
    case other:
        out.append(repr(type(other)))
# ---
@contextlib.contextmanager
def managed$u(name):
    out.append("enter " + name)
    try:
        yield name * 2
    except ZeroDivisionError as error:
        out.append(repr(error))
    finally:
        out.append("leave")
with managed$u($s) as doubled, contextlib.suppress(KeyError):
    out.append(doubled)
    {}[doubled] if $n % 2 else 1 / ($k - 1)
# ---
try:
    raise ExceptionGroup($s, [ValueError($n), KeyError($s), TypeError(object())])
except* ValueError as group:
    out.append(repr(group.exceptions))
except* (KeyError, TypeError) as group:
    out.append(repr(group))
# ---
if $n % 3 == 0:
    raise LookupError($s, {$s, $s, $s}, object())
# ---
if $n % 5 == 0:
    self.attributes["undeclared"] = $n
