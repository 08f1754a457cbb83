# The programs written by hand: what could differ from run to run if anything could.
# --- nothing
pass
# --- constant
return 1
# --- sets
return [list({"one", "two", "three", "four"}), repr({1.5, -0.0, 2 ** 70, "x", b"y", (1, "z"), None}), str({str(n) for n in range(99)})]
# --- sets_of_objects
class Node:
    pass
made = {Node() for _ in range(50)} | {lambda: 0, len, Node, type, print}
return [repr(x) for x in made]
# --- dict_order
d = {str(n): n for n in range(50)}
for key in list(d)[::3]:
    del d[key]
d.update({x: 1 for x in {"a", "b", "c", "d"}})
return [list(d.items()), d.popitem()]
# --- hashes
class Plain:
    pass
def function():
    pass
values = ["a", "é", "", b"a", b"", 0.1, -0.0, float("inf"), (1, "a"), (), frozenset("abc"), 2 ** 61 - 1, -1, True, None]
values += [Plain, Plain(), object(), function, len, [].append, "a".upper, Plain().__init__, int, Ellipsis, NotImplemented]
values += [range(3), slice(1), 1j, complex("nan"), Exception(), function.__code__, self.send]
return [hash(value) for value in values]
# --- hash_of_nan
return [hash(float("nan")), hash(float("nan")), len({float("nan"), float("nan")})]
# --- floats
return [0.1 + 0.2, 2 ** 0.5, sum([0.1] * 10), -0.0, 1e308 * 1.5, repr(1e308 * 9.99), 5e-324 / 2 == 0, repr(1e22), repr(1 / 3), round(2.675, 2), 1e16 + 1]
# --- nan_bits
import math, struct, cmath
inf = float("inf")
def f(make):
    try:
        x = make()
        return [struct.pack("<d", x).hex(), struct.pack("<f", x).hex(), x.hex(), math.copysign(1, x)]
    except Exception as error:
        return str(error)
payload = struct.unpack("<d", bytes.fromhex("0102030405f4ff7f"))[0]
signalling = struct.unpack("<d", bytes.fromhex("010000000000f07f"))[0]
single = struct.unpack("<f", bytes.fromhex("0100807f"))[0]
return [f(lambda: x) for x in (inf - inf, inf * 0, -(inf - inf), inf / inf, payload, -payload, payload + 1, signalling, signalling * 2, single)] + [
    f(lambda: math.fmod(inf, 2)), f(lambda: math.sin(inf)), f(lambda: math.sqrt(-1)), f(lambda: float("-nan")), f(lambda: math.nan),
    f(lambda: inf % 2), f(lambda: 2 % inf), f(lambda: inf // 1), f(lambda: (-8) ** (1 / 3)), f(lambda: sum([inf, -inf])),
    f(lambda: math.fsum([math.nan])), f(lambda: math.hypot(math.nan)), f(lambda: cmath.sqrt(complex(inf, math.nan)).real),
    f(lambda: math.pow(payload, 2)), f(lambda: max(math.nan, 1)), f(lambda: min(1, math.nan)), f(lambda: math.ldexp(payload, 3)),
    f(lambda: complex(payload, 0).conjugate().real), f(lambda: abs(payload)), f(lambda: float(str(payload))), f(lambda: payload.__round__(2))]
# --- nan_in_containers
nan = float("nan")
return [nan in [nan], [nan] == [nan], str({nan: 1, float("nan"): 2}), str(sorted([3.0, nan, 1.0, nan, 2.0])), str(max([nan, 1])), str(min([1, nan]))]
# --- nan_as_result
return float("nan")
# --- random
import random
r = random.Random(5)
random.seed("text")
return [random.random(), r.random(), random.sample(range(100), 10), random.choices("abcdef", [1, 2, 3, 4, 5, 6], k=5), random.gauss(0, 1), random.getstate()[1][:5]]
# --- random_unseeded
import random
a = [random.random(), random.randbytes(4).hex(), random.Random().random(), random.SystemRandom().random()]
random.seed()
d = list(range(20))
random.shuffle(d)
return [a, d, random.random(), random.lognormvariate(0, 1), random.vonmisesvariate(0, 4), random.binomialvariate(50, 0.3)]
# --- time
import time, datetime
return [time.time(), time.time_ns(), time.monotonic_ns(), time.perf_counter(), time.ctime(), time.strftime("%c %Z %z"), str(datetime.datetime.now()), str(datetime.datetime.now().astimezone()), str(datetime.datetime.today()), time.localtime()[:], time.mktime(time.gmtime()), time.get_clock_info("monotonic").resolution]
# --- process_time
import time
return time.process_time()
# --- uuid
import uuid
return [str(x) for x in (uuid.uuid1(), uuid.uuid1(), uuid.uuid3(uuid.NAMESPACE_DNS, "a"), uuid.uuid4(), uuid.uuid5(uuid.NAMESPACE_URL, "b"), uuid.uuid4())] + [uuid.getnode()]
# --- secrets
import secrets, os
return [secrets.token_hex(8), secrets.token_urlsafe(8), secrets.randbelow(10 ** 9), secrets.choice("abc"), os.urandom(8).hex()]
# --- ids
class C:
    __slots__ = ("x",)
def g():
    yield
values = [object(), C(), C, g, g(), [], {}, set(), frozenset([1]), (1, 2), "abc" * 3, b"abc" * 3, 10 ** 30, 1.5 * 3, 1j * 2, lambda: 0, Exception(), range(9), iter([]), memoryview(b"x"), bytearray(3), self, args, kwargs, self.attributes, self.items, C().__init__, None, 1, "", ()]
return [[id(value) for value in values], id(object()), id(object()), id([]) == id([])]
# --- ids_after_work
junk = [[str(n)] * n for n in range(200)]
del junk[::2]
a = [object() for _ in range(20)]
return [[id(x) for x in a], sorted(range(20), key=lambda n: id(a[n]))]
# --- addresses
def f():
    yield 1
class C:
    def m(self):
        pass
return [repr(x) for x in (object(), f, f(), C, C(), C().m, C.m, lambda: 0, iter([]), iter({}), map(str, []), zip(), (x for x in ()), [].append, print, self, self.send, self.other, super, property(), staticmethod(f), memoryview(b""), type(f).__call__, f.__code__, enumerate([]), reversed([]), Exception(object()))]
# --- traceback
def a(n):
    if n:
        a(n - 1)
    else:
        raise KeyError(object(), {"x", "y"})
try:
    a(3)
except KeyError as error:
    raise RuntimeError("second") from error
# --- traceback_of_a_library
import json
return json.loads("[1, 2, {]")
# --- exception_group
raise ExceptionGroup("several", [ValueError(1), ExceptionGroup("more", [KeyError("k"), TypeError(object())])])
# --- exception_notes
error = ValueError("x")
error.add_note("a note " + repr(object()))
raise error
# --- syntax
return (
# --- name_error
import math
return math.sinn(undefined_name)
# --- long_traceback
def a(n):
    return b(n)
def b(n):
    return a(n - 1) if n else 1 / 0
a(400)
# --- recursion
def down(n):
    try:
        return down(n + 1)
    except RecursionError as error:
        return [n, str(error)]
return down(0)
# --- recursion_uncaught
def down(n):
    return down(n + 1)
down(0)
# --- recursion_in_repr
a = []
for _ in range(2000):
    a = [a]
return repr(a)
# --- recursion_in_compare
class C:
    def __eq__(self, other):
        return self == other
return C() == C()
# --- recursion_native
import functools
f = len
for _ in range(50000):
    f = functools.partial(f)
f = [f]
f.append(f)
return [repr(f)[:50], str(len(repr(f)))]
# --- deep_code
return eval("(" * 300 + ")" * 300)
# --- deep_brackets
return eval("[" * 90 + "1" + "]" * 90)
# --- deep_hash
a = ()
for _ in range(100000):
    a = (a,)
return hash(a)
# --- deep_comparison
a, b = [], []
for _ in range(100000):
    a, b = [a], [b]
return a == b
# --- deep_iterator
import itertools
a = iter([])
for _ in range(30000):
    a = itertools.chain(a, [1])
return next(a)
# --- deep_map
a = [1]
for _ in range(60000):
    a = map(abs, a)
return list(a)
# --- deep_end
a = None
for _ in range(100000):
    a = [a]
    b = {1: a}
a = b = None
return "gone"
# --- deep_copy
import copy
a = []
for _ in range(5000):
    a = [a]
return len(copy.deepcopy(a))
# --- deep_isinstance
a = int
for _ in range(100000):
    a = (a, str)
return isinstance(1.5, a)
# --- deep_result
a = []
for _ in range(5000):
    a = [a]
return a
# --- deep_regex
import re
return re.match("(" * 5000 + "a" + ")" * 5000, "a")
# --- memory_to_the_limit
kept = []
while True:
    kept.append(bytearray(1 << 20))
# --- memory_caught memory=50331648
kept = []
try:
    while True:
        kept.append("x" * 100000)
except MemoryError:
    return len(kept)
# --- memory_at_once memory=50331648
print("before")
return len("x" * (40 << 20))
# --- memory_small memory=41943040
return [[n] * 100 for n in range(100000)][0]
# --- memory_of_ints memory=50331648
return len(str(7 ** 10 ** 6)) + len(list(range(10 ** 7)))
# --- memory_given_back
for n in range(60):
    kept = bytearray(n << 20)
return len(kept)
# --- garbage
import gc
class Node:
    def __del__(self):
        order.append(self.n)
order = []
for n in range(3000):
    a, b = Node(), Node()
    a.n, b.n, a.o, b.o = n, -n, b, a
del a, b
before = len(order)
return [before, gc.collect(), len(order), order[:50], order[-50:], gc.get_count(), gc.get_threshold(), gc.isenabled()]
# --- garbage_by_count
class Node:
    pass
for _ in range(20000):
    a, b = Node(), Node()
    a.b, b.a = b, a
return "collected"
# --- weak_references
import weakref
class C:
    pass
died = []
all = [C() for _ in range(30)]
refs = [weakref.ref(c, lambda r, n=n: died.append(n)) for n, c in enumerate(all)]
weak = weakref.WeakSet(all)
for n, c in enumerate(all):
    c.next = all[n - 1]
finalizers = [weakref.finalize(c, died.append, "f%d" % n) for n, c in enumerate(all[:5])]
c = None
all[10:20] = []
all = None
import gc
return [len(weak), gc.collect(), died, len(weak), [f.alive for f in finalizers]]
# --- deaths_in_order
order = []
class C:
    def __init__(self, n):
        self.n = n
    def __del__(self):
        order.append(self.n)
x = [C(n) for n in range(10)]
y = {C(n): C(n + 100) for n in range(10, 15)}
z = {C(20), C(21), C(22)}
del x, y, z
(lambda a, b: None)(C(30), C(31))
return order
# --- resurrection
kept = []
class C:
    def __del__(self):
        kept.append(self)
C()
return [len(kept), repr(kept[0])]
# --- sorting
class Odd:
    def __init__(self, n):
        self.n = n
    def __lt__(self, other):
        return (self.n * 7 + other.n * 3) % 5 < 2
    def __repr__(self):
        return str(self.n)
return [str(sorted(Odd(n) for n in range(40))), sorted("banana apple Cherry".split(), key=str.lower), sorted([(1, "b"), (1, "a")], key=lambda p: p[0], reverse=True)]
# --- sort_changed_meanwhile
a = list(range(30))
def key(x):
    a.append(x)
    return -x
try:
    a.sort(key=key)
except ValueError as error:
    return [str(error), a]
return a
# --- regex
import re
return [re.findall(r"(\w)(\d+)?", "a12 b c3"), re.sub(r"(?P<x>\w+) (\w+)", r"\2 \g<x>", "ab cd"), re.compile(r"(a+)+$").match("a" * 18 + "b"), repr(re.compile("x")), [m.groupdict() for m in re.finditer(r"(?P<k>\w)=(?P<v>\d)", "a=1 b=2")]]
# --- regex_steep fuel=300000000
import re
return re.match(r"(a|aa)+$", "a" * 40 + "b")
# --- big_integers
import math
a = 3 ** 2000
return [a % 10 ** 50, str(a * a // 7)[-40:], math.isqrt(a) % 10 ** 30, a.bit_length(), hash(a), pow(3, 10 ** 20, 10 ** 9 + 7), math.gcd(a, 6 ** 900) % 10 ** 9, -7 // 2, -7 % 3, (-7) >> 1]
# --- big_powers fuel=300000000
return (10 ** 10 ** 10) % 7
# --- formatting
return [f"{3.14159:>10.2f}|{'é':*^7}|{1234567:,}|{255:#010b}|{1e100:g}|{-1.5:+08.2f}|{0.1:.20f}|{12345.678:_.1f}|{True:d}", "%s %r %a %5.2f %e" % ("é", "é", "é", 1.005, 12345), "{:%Y-%m}".format(__import__("datetime").date(2024, 5, 6))]
# --- unicode
import unicodedata
s = "ÅéßİıŸﬁ①Ω𝔘́🦀ΣΑΣ"
return [[unicodedata.normalize(f, s) for f in ("NFC", "NFD", "NFKC", "NFKD")], s.casefold(), s.upper(), s.lower(), s.title(), [unicodedata.name(c, "?") for c in s], [unicodedata.category(c) for c in s], unicodedata.unidata_version, [unicodedata.numeric(c, None) for c in "½①Ⅷ٣"], s.encode("utf-16").hex(), "\ud800".encode("utf-8", "surrogatepass").hex()]
# --- surrogates
return ["\ud83d\ude00"]
# --- iterators
import itertools as i
return [list(i.permutations("abc", 2)), list(i.combinations_with_replacement("ab", 3)), list(i.zip_longest("ab", "c")), list(i.starmap(pow, [(2, 3)])), [list(x) for x in i.tee(range(3))], list(i.takewhile(str.isalpha, "ab1c"))]
# --- caches
import functools
@functools.lru_cache(maxsize=3)
def f(x):
    calls.append(x)
    return x
calls = []
for x in (1, 2, 3, 1, 4, 2, 5, 1.0, True, "1"):
    f(x)
return [calls, str(f.cache_info())]
# --- dataclasses
import dataclasses
@dataclasses.dataclass(order=True, unsafe_hash=True)
class P:
    x: int
    y: list = dataclasses.field(default_factory=list, hash=False, repr=False)
    z: float = 0.5
return [str(P(1)), hash(P(1)), dataclasses.astuple(P(2)), P(1) < P(2), [f.name for f in dataclasses.fields(P)]]
# --- enums
import enum
class E(enum.Enum):
    A = enum.auto()
    B = "b"
    C = A
    def __str__(self):
        return "E:" + self.name
class F(enum.IntFlag):
    R = 4
    W = 2
return [str(list(E)), str(E("b")), hash(E.A), repr(F(7)), str(F.R | F.W), list(E.__members__), str({E.A, E.B})]
# --- collections
import collections as c
d = c.deque(range(10), 5)
d.rotate(2)
o = c.OrderedDict.fromkeys("hello")
o.move_to_end("h")
n = c.namedtuple("N", "a b")
return [str(d), str(o), str(c.Counter("mississippi")), str(c.ChainMap({"a": 1}, {"b": 2})), str(n(1, 2)), c.Counter("abcabc").most_common()]
# --- json
import json
return [json.dumps({"b": [1, 2.0, 1e100, "é", None], "a": {"x": float("inf")}}), json.dumps("é\u2028", ensure_ascii=False), json.loads("[1e5, -0.0, 123456789012345678901234567890]"), json.dumps({2: 1, None: 2, True: 3}, sort_keys=False, indent=1)]
# --- statistics
import statistics as s
d = [1, 2.5, 2.5, 7, 3 / 7]
return [s.mean(d), s.stdev(d), s.pvariance(d), s.median(d), s.multimode(d), s.harmonic_mean(d), s.NormalDist(1, 2).cdf(0.3), s.quantiles(d, n=7), s.correlation(d, d[::-1])]
# --- decimals
import decimal as d
import fractions as f
d.getcontext().prec = 40
return [str(d.Decimal(2).sqrt()), str(d.Decimal(1).exp()), str(d.Decimal("1e-5") / 3), hash(d.Decimal("1.5")), str(f.Fraction(0.1)), str(f.Fraction("3/7").limit_denominator(2)), str(d.getcontext())]
# --- generators
log = []
def g():
    try:
        x = yield 1
        while True:
            x = yield x
    except ValueError as error:
        log.append(str(error))
        yield "caught"
    finally:
        log.append("finally")
a = g()
r = [next(a), a.send(5), a.throw(ValueError("v"))]
a.close()
b = g()
next(b)
del b
return [r, log]
# --- coroutine
async def f():
    return 1
c = f()
try:
    c.send(None)
except StopIteration as stop:
    return [stop.value, repr(c)]
# --- metaclasses
class M(type):
    def __new__(m, name, bases, ns):
        return super().__new__(m, name, bases, dict(sorted(ns.items())))
    def __call__(cls, *a):
        made.append(cls.__name__)
        return super().__call__(*a)
made = []
class A(metaclass=M):
    def z(self): pass
    def a(self): pass
class B(A): pass
class C(A): pass
class D(B, C): pass
D()
return [made, [k for k in dir(A) if len(k) == 1], [c.__name__ for c in D.__mro__], repr(D()), [c.__name__ for c in A.__subclasses__()]]
# --- directories
return [dir(object()), dir(self), dir([]), sorted(vars(type("T", (), {"x": 1}))), list(__builtins__ if isinstance(__builtins__, dict) else dir(__builtins__))]
# --- modules
import sys
return [list(sys.modules), sys.version, sys.platform, sys.byteorder, sys.maxsize, sys.getrecursionlimit(), sys.getsizeof([]), sys.float_info.max, str(sys.hash_info), str(sys.flags), sys.path, sys.argv]
# --- environment
import os, sys
return [os.getenv("TZ"), os.getpid(), str(os.environ), os.getcwd(), sys.getdefaultencoding(), sys.stdout.encoding]
# --- locale
import time, datetime
return [f"{1234.5:n}", "I".lower(), "i".upper(), datetime.date(2024, 3, 1).strftime("%A %B %x"), time.strftime("%p")]
# --- threads
import _thread
return [_thread.get_ident(), repr(_thread.allocate_lock())]
# --- compression
import zlib, hashlib, base64
data = b"".join(str(n).encode() for n in range(3000))
return [zlib.compress(data, 9).hex()[-60:], zlib.decompress(zlib.compress(data)) == data, hashlib.sha512(data).hexdigest(), hashlib.scrypt(b"p", salt=b"s", n=16, r=2, p=1).hex(), hashlib.pbkdf2_hmac("sha256", b"p", b"s", 10).hex(), base64.a85encode(data[:20]).decode()]
# --- sends
r = self.send("UvmObjects/other", "echo", 1, [2.5, None], k="v")
self.attributes["r"] = r
self._p_changed = True
self.send("UvmObjects/other", "touch")
return [self.touched, self.attributes, self.send("UvmObjects/other", "echo")]
# --- sends_refused
try:
    self.unknown(1)
except SendError as error:
    return [error.kind, str(error), repr(error)]
# --- sends_refused_uncaught
self.unknown(1)
# --- sends_until_stopped
for n in range(5):
    self.send("UvmObjects/other", "echo", n)
self.stop()
# --- sends_many
return sum(len(self.echo(n, "x" * n)) for n in range(200))
# --- sends_undeclared
self.attributes["x"] = 1
self.echo()
# --- sends_malformed
try:
    self.send("no id at all!", "echo")
except SendError as error:
    return [error.kind, str(error)]
# --- runs_in_runs
inner = "return [id(self), hash('x'), __import__('random').random(), args]"
return [self.run(inner, 1), self.run(inner, 2), self.run("self.x = 1\nreturn self.run(args[0], 3)", inner)]
# --- runs_to_the_full_depth
body = "n, body = args\nif n == 0:\n    return 'bottom'\nreturn self.run(body, n - 1, body)"
return [self.run(body, 25, body)]
# --- runs_too_deep
body = "n, body = args\ntry:\n    return self.run(body, n + 1, body)\nexcept SendError as error:\n    return [n, error.kind]"
return self.run(body, 0, body)
# --- runs_that_fail
kinds = []
for body in ("1 / 0", "return float('nan')", "self.attributes['a'] = 1", "return (", "raise SendError('mine')", "self.stopped()"):
    try:
        self.run(body)
    except SendError as error:
        kinds.append([error.kind, str(error)])
return kinds
# --- runs_out_of_fuel fuel=200000000
try:
    self.run("print('in')\nwhile True:\n    pass")
except SendError as error:
    return error.kind
# --- runs_of_runs_out_of_fuel fuel=200000000
return self.run("try:\n    return self.run('while True: pass')\nexcept BaseException as error:\n    return str(error)")
# --- runs_out_of_memory
try:
    self.run("x = []\nwhile True:\n    x.append(bytearray(1 << 22))")
except SendError as error:
    return error.kind
# --- runs_that_print
print("a")
self.run("print('b' * 1000)")
print("c")
# --- attributes
self.attributes["items"].append({"deep": [1, {"x": 2.50}]})
self.attributes["new"] = {"k": (1, 2)}
self._p_changed = True
del self.total
return [self.attributes, self.items]
# --- attributes_undeclared
self.attributes["items"].append(3)
# --- attributes_set
self.a = 1
self.z, self.b = "é", [1.0, 1e300]
return self.key
# --- attributes_inherited
self.shared.append(2)
self._p_changed = True
return self.shared
# --- attributes_inherited_undeclared
self.shared.append(2)
# --- attributes_not_json
self.x = {1, 2}
# --- attributes_bad_keys
self.x = {1: 2}
# --- attributes_replaced
self.attributes = {"only": 1}
self._p_changed = True
# --- result_not_json
return object()
# --- result_cyclic
a = []
a.append(a)
return a
# --- result_large
return ["x" * 1000 for _ in range(1000)]
# --- fuel_for_nothing fuel=1
return 1
# --- fuel_for_little fuel=20000
return 1
# --- fuel_in_a_loop fuel=50000000
n = 0
while True:
    n += 1
# --- fuel_held_on_to fuel=50000000
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
    finally:
        print("again")
# --- fuel_in_one_operation fuel=50000000
return len(str(3 ** 3000000))
# --- fuel_in_sorting fuel=50000000
return sorted(range(10 ** 6), key=lambda n: -n)[0]
# --- fuel_while_collecting fuel=100000000
class Node: pass
while True:
    a, b = Node(), Node()
    a.b, b.a = b, a
# --- output
print("é" * 10, {"a", "b"}, object(), sep="|")
print()
print(1.5, end="")
# --- output_to_the_limit output=100
for n in range(100):
    print(n, "é")
# --- output_cut_in_a_character output=5
print("éééé")
# --- output_none output=1
print("")
print("")
# --- output_of_surrogates
print("\ud800 x")
# --- loops
total = 0
for a in range(300):
    for b in range(300):
        total = (total * 31 + a ^ b) % 1000003
return total
# --- primes
sieve = bytearray([1]) * 20000
for n in range(2, 142):
    if sieve[n]:
        sieve[n * n :: n] = bytes(len(range(n * n, 20000, n)))
return sum(sieve)
# --- classes_by_the_hundred
made = [type("T%d" % n, (object,), {"n": n})() for n in range(300)]
return [sum(x.n for x in made), id(made[-1]), hash(type(made[7]))]
# --- strings
s = ""
for n in range(3000):
    s += chr(97 + n % 26)
return [hash(s), s.count("abc"), s[::500], id(s)]
# --- interned
return [id("abc"), id("".join(["a", "bc"])), "a b" is "a b", id(sys_intern := __import__("sys").intern("xyz"))]
# --- compiled
code = compile("x = 1\ny = x + 1", "<here>", "exec")
return [code.co_code.hex(), repr(code), hash(code), code.co_names]
# --- warnings
import warnings
warnings.warn("seen", stacklevel=1)
return [repr(w) for w in warnings.filters][:3]
