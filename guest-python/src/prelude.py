"""Runs once, before the snapshot: what the standard library expects of an operating system, without one."""

import builtins
import sys
import types

import _aura


class SendError(Exception):
    """A message sent by the method was not answered; `kind` names the kind of error."""

    def __init__(self, text, kind="Internal"):
        super().__init__(text)
        self.kind = kind


class Message:
    """What `self.other` is: called, it sends `other`. Used as a value, it is an attribute that is missing."""

    __slots__ = ("_sender", "_name")

    def __init__(self, sender, name):
        self._sender = sender
        self._name = name

    def __call__(self, *args, **kwargs):
        return _aura.deliver(self._sender, self._name, *args, **kwargs)

    def __repr__(self):
        return f"<message {self._name!r} to {self._sender.key}>"

    def _missing(self, *_):
        raise AttributeError(f"{self._sender.key!r} has no attribute {self._name!r}")

    __hash__ = None
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _missing
    __bool__ = __int__ = __float__ = __index__ = __len__ = __iter__ = __next__ = __str__ = _missing
    __getitem__ = __setitem__ = __delitem__ = __contains__ = __format__ = _missing
    __add__ = __radd__ = __iadd__ = __sub__ = __rsub__ = __isub__ = __mul__ = __rmul__ = __imul__ = _missing
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _missing
    __neg__ = __pos__ = __abs__ = __or__ = __ror__ = __and__ = __rand__ = __getattr__ = _missing


_aura.register(Message, SendError)
builtins.SendError = SendError
builtins.getattr = _aura.getattr
builtins.hasattr = _aura.hasattr


def module(name, /, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def unsupported(*args, **kwargs):
    raise NotImplementedError("there is no operating system in here")


class stat_result(tuple):
    pass


class PathLike:
    pass


def fspath(path):
    if isinstance(path, (str, bytes)):
        return path
    raise TypeError(f"expected str, bytes or os.PathLike object, not {type(path).__name__}")


shared = dict(
    urandom=_aura.urandom,
    getpid=lambda: 1,
    stat=unsupported,
    lstat=unsupported,
    open=unsupported,
    listdir=unsupported,
    scandir=unsupported,
    getcwd=lambda: "/",
    fspath=fspath,
    stat_result=stat_result,
    PathLike=PathLike,
    environ={},
    error=OSError,
)
module("posix", **shared)
path = module(
    "posixpath",
    sep="/",
    basename=lambda p: p.rsplit("/", 1)[-1],
    dirname=lambda p: p.rsplit("/", 1)[0] if "/" in p else "",
    join=lambda *parts: "/".join(parts),
    exists=lambda p: False,
    isfile=lambda p: False,
    isdir=lambda p: False,
    abspath=lambda p: p,
    normcase=lambda p: p,
    normpath=lambda p: p,
    splitext=lambda p: (p.rsplit(".", 1)[0], "." + p.rsplit(".", 1)[1]) if "." in p else (p, ""),
)
sys.modules["os.path"] = path
module(
    "os",
    name="posix",
    path=path,
    sep="/",
    linesep="\n",
    pathsep=":",
    curdir=".",
    pardir="..",
    altsep=None,
    extsep=".",
    getenv=lambda key, default=None: default,
    **shared,
)

import functools

update_wrapper = functools.update_wrapper


def wraps(wrapped):
    """Without the library's choice of attributes to copy: those are names given as values, which no audit can read."""

    def decorate(wrapper):
        return update_wrapper(wrapper, wrapped)

    return decorate


functools.wraps = wraps

import time


def sleep(seconds):
    """Nothing else runs meanwhile and the clock stands still: sleeping is over at once."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")


time.sleep = sleep
# The clock is UTC's.
time.tzname = ("UTC", "UTC")
time.timezone = time.altzone = time.daylight = 0
sys.stdout = sys.__stdout__ = _aura.Output(True)
sys.stderr = sys.__stderr__ = _aura.Output(False)
sys.stdin = sys.__stdin__ = None
sys.path.clear()
sys.argv.clear()
