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

copy_to_wrapper = functools.update_wrapper


def update_wrapper(wrapper, wrapped):
    """Without the library's choice of attributes to copy: those are names given as values, which no audit can read."""
    return copy_to_wrapper(wrapper, wrapped)


def wraps(wrapped):
    """As methods see it: nothing more can be said than what is wrapped."""

    def decorate(wrapper):
        return update_wrapper(wrapper, wrapped)

    return decorate


functools.wraps = wraps

import _guard


class Meta(type):
    def __call__(cls, *of):
        if len(of) != 1:
            raise TypeError("classes are made by the statement `class`")
        return _guard.class_of(of[0])

    def __instancecheck__(cls, instance):
        return isinstance(instance, type)


class Class(metaclass=Meta):
    """What methods have for `type`: it tells the class of a value, and whether a value is a class."""

    __class_getitem__ = classmethod(types.GenericAlias)

    def __init_subclass__(cls):
        raise TypeError("classes are made by the statement `class`")


Class.__name__ = Class.__qualname__ = "type"
Class.__module__ = "builtins"
_guard.register(Class)


def attrgetter(*names):
    """As methods see it: the names are checked."""
    paths = [_guard.path(name).split(".") for name in names]

    def get(thing, path):
        for name in path:
            thing = _guard.getattr(thing, name)
        return thing

    if len(paths) == 1:
        return lambda thing: get(thing, paths[0])
    return lambda thing: tuple([get(thing, path) for path in paths])


def methodcaller(name, /, *args, **kwargs):
    """As methods see it: the name is checked."""
    name = _guard.path(name)
    return lambda thing: _guard.getattr(thing, name)(*args, **kwargs)


def final(cls):
    raise TypeError(f"{cls.__base__.__name__} cannot be a base class")


class cached_property:
    """As methods see it: the name is the one it has in its class."""

    __slots__ = ("__function", "__name")

    def __init__(self, function):
        self.__function = function
        self.__name = None

    __init_subclass__ = classmethod(final)

    def __set_name__(self, owner, name):
        if self.__name is None:
            self.__name = _guard.path(name)

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        cache = instance.__dict__
        if self.__name not in cache:
            cache[self.__name] = self.__function(instance)
        return cache[self.__name]


class redirect_stdout:
    """As methods see it: nothing in it can be made to stand for another stream."""

    __slots__ = ("_target", "_before")

    def __init__(self, target):
        self._target = target
        self._before = []

    __init_subclass__ = classmethod(final)

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

import itertools
import queue
import threading


class Lock:
    """Nobody else holds it, and nobody else would ever release it."""

    __slots__ = ("_held",)
    _most = 1

    def __init__(self):
        self._held = 0

    def acquire(self, blocking=True, timeout=-1):
        if self._held < self._most:
            self._held += 1
            return True
        if blocking and timeout < 0:
            raise RuntimeError("this would wait for ever: methods have no threads")
        if not timeout <= threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        return False

    def release(self):
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held -= 1

    def locked(self):
        return self._held > 0

    __enter__ = acquire

    def __exit__(self, *_):
        self.release()


class RLock(Lock):
    __slots__ = ()
    _most = sys.maxsize


Lock.__module__ = RLock.__module__ = "threading"
threading.Lock = threading._allocate_lock = Lock
threading.RLock = RLock
# The native one asks the clock of a machine.
queue.SimpleQueue = queue._PySimpleQueue
queue.SimpleQueue.__name__ = queue.SimpleQueue.__qualname__ = "SimpleQueue"
# Whoever waits for some time has waited for long when it looks again.
threading._time = queue.time = itertools.count(step=10**9).__next__

native_strftime = time.strftime
LOCAL_FORMATS = {"c": "%a %b %e %H:%M:%S %Y", "x": "%m/%d/%y"}


def strftime(format, *when):
    """With the date formats of the C locale, which the native function does not have."""
    pieces = format.split("%%")
    for letter, meaning in LOCAL_FORMATS.items():
        pieces = [piece.replace("%" + letter, meaning) for piece in pieces]
    return native_strftime("%%".join(pieces), *when)


time.strftime = strftime
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
import ast
import collections
import copy
import dataclasses
import enum
import linecache
import operator
import string
import traceback
import typing
import warnings


def not_evaluated(*_, **__):
    raise NotImplementedError("an annotation that is text is not evaluated in here")


annotationlib.ForwardRef.evaluate = not_evaluated
annotationlib.ForwardRef.__forward_code__ = property(lambda self: None)
string.getattr = ast.getattr = _guard.getattr
# It makes its pattern when it is first used, and classes cannot be changed later.
string.Template("").substitute()
copy.setattr = _guard.setattr
# There are no files with the lines of the library.
linecache.updatecache = lambda filename, module_globals=None: []
# It imports the module that an exception names.
traceback._compute_suggestion_error = lambda *_: None
# It reads and writes the module that it is given the name of.
del enum.EnumType._convert_
# Its members' names become attributes of a class.
make_enum = enum.EnumType._create_


def create(cls, class_name, names, **options):
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    elif names is None:
        names = ()
    members = []
    for item in names:
        if isinstance(item, str):
            named = hasattr(names, "keys")
            members.append((_guard.field(item), names[item]) if named else _guard.field(item))
        else:
            name, value = item
            members.append((_guard.field(name), value))
    if options.get("module") is None:
        options["module"] = "__main__"
    return make_enum(cls, class_name, members, **options)


enum.EnumType._create_ = create


# They keep what methods have no business with, or make code of what a subclass says.
dataclasses.Field.__init_subclass__ = classmethod(final)
warnings.catch_warnings.__init_subclass__ = classmethod(final)
warnings.catch_warnings._module = property(lambda self: warnings, lambda self, module: None)
# What makes classes is not a base of classes of methods, nor what they are told a class is of.
typing.Type = typing._alias(Class, 1, inst=False, name="Type")


def of_origin(alias, name):
    if name in ("__name__", "__qualname__"):
        return alias._name or alias.__origin__.__name__
    if "__origin__" in alias.__dict__:
        return _guard.getattr(alias.__origin__, name)
    raise AttributeError(name)


def set_of_alias(alias, name, value):
    if not (typing._is_dunder(name) or name in {"_name", "_inst", "_nparams", "_defaults"}):
        raise AttributeError(f"{alias!r} has no attribute {name!r} to change")
    object.__setattr__(alias, name, value)


typing._BaseGenericAlias.__getattr__ = of_origin
typing._BaseGenericAlias.__setattr__ = set_of_alias
# A name that it is given would be looked up.
typing._GenericAlias.__reduce__ = lambda alias: (operator.getitem, (alias.__origin__, alias.__args__))

deep_copy = copy.deepcopy


def deepcopy(x, memo=None):
    # A memo of its own class would be told of what is inside of things.
    if memo is not None and type(memo) is not dict:
        raise TypeError("the memo of deepcopy is a dict")
    return deep_copy(x, memo)


copy.deepcopy = deepcopy
# Classes that are made here belong to a module that is looked for.
sys.modules["__main__"] = types.ModuleType("__main__")

_namedtuple = collections.namedtuple


def namedtuple(typename, field_names, **options):
    if isinstance(field_names, str):
        field_names = field_names.replace(",", " ").split()
    return _namedtuple(typename, [_guard.field(str(name)) for name in field_names], **options)


collections.namedtuple = namedtuple

_field_name = dataclasses.Field.__dict__["name"]


def name_field(field, name):
    # The name becomes code, and reads attributes. A field is made before it has a name.
    if name is not None:
        name = _guard.field(name)
        if not name.isidentifier():
            raise ValueError(f"{name!r} is not the name of a field")
    _field_name.__set__(field, name)


dataclasses.Field.name = property(_field_name.__get__, name_field)
