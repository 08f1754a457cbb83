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

    __slots__ = ("__sender", "__name")

    def __init__(self, sender, name):
        self.__sender = sender
        self.__name = name

    def __call__(self, *args, **kwargs):
        return _aura.deliver(self.__sender, self.__name, *args, **kwargs)

    def __repr__(self):
        return f"<message {self.__name!r} to {self.__sender.key}>"

    def missing(self, *_):
        raise AttributeError(f"{self.__sender.key!r} has no attribute {self.__name!r}")

    __hash__ = None
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = missing
    __bool__ = __int__ = __float__ = __index__ = __len__ = __iter__ = __next__ = __str__ = missing
    __getitem__ = __setitem__ = __delitem__ = __contains__ = __format__ = missing
    __add__ = __radd__ = __iadd__ = __sub__ = __rsub__ = __isub__ = __mul__ = __rmul__ = __imul__ = missing
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = missing
    __neg__ = __pos__ = __abs__ = __or__ = __ror__ = __and__ = __rand__ = __getattr__ = missing
    del missing


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

import operator

import _guard



class Class:
    """What the class of a class seems to be: a name."""

    def __new__(cls, *_, **__):
        raise TypeError("classes are made by the statement `class`")

    def __init_subclass__(cls):
        raise TypeError("classes are made by the statement `class`")


Class.__name__ = Class.__qualname__ = "type"
Class.__module__ = "builtins"
_guard.register(Class)

_attrgetter, _methodcaller = operator.attrgetter, operator.methodcaller


def attrgetter(*names):
    """As methods see it: the names are checked."""
    return _attrgetter(*map(_guard.path, names))


def methodcaller(name, /, *args, **kwargs):
    """As methods see it: the name is checked."""
    return _methodcaller(_guard.path(name), *args, **kwargs)


class redirect_stdout:
    """As methods see it: nothing in it can be made to stand for another stream."""

    __slots__ = ("_target", "_before")

    def __init__(self, target):
        self._target = target
        self._before = []

    def __init_subclass__(cls):
        raise TypeError("redirect_stdout cannot be a base class")

    def __enter__(self):
        self._before.append(sys.stdout)
        sys.stdout = self._target
        return self._target

    def __exit__(self, *_):
        sys.stdout = self._before.pop()


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


# What the library would compile from text, or read by a name that it is given, it does no more, or with names that
# methods may use.
import annotationlib
import dataclasses
import string


def not_evaluated(*_, **__):
    raise NotImplementedError("an annotation that is text is not evaluated in here")


annotationlib.ForwardRef.evaluate = not_evaluated
annotationlib.ForwardRef.__forward_code__ = property(not_evaluated)
string.getattr = _guard.getattr

_field_name = dataclasses.Field.__dict__["name"]


def name_field(field, name):
    # The name becomes code, and reads attributes. A field is made before it has a name.
    if name is not None:
        name = _guard.path(name)
        if not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"{name!r} is not the name of a field")
    _field_name.__set__(field, name)


dataclasses.Field.name = property(_field_name.__get__, name_field)
