"""A stand-in for CuPy where there is no GPU: numpy behind arrays that are as strict as CuPy's.

What CuPy has, with which arguments and for which dtypes, was recorded from CuPy itself in
``data/cupy-functions.txt`` (by ``python -m tests.gpu.record``). An array never turns into numpy's by itself, does
not mix with numpy's, holds numbers only, and stays an array when its rank is 0. Asking for a value on the host is
counted in ``synchronisations``, as the wait for the device that it would be; what is computed outside of any stream
in ``outside``, and what is copied to the device in ``uploads``.
"""

from __future__ import annotations

import inspect
import sys
import threading
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

API = Path(__file__).parent / "data" / "cupy-functions.txt"
NUMBERS = frozenset("?bBhHiIlLqQefdFD")
# What takes numpy's arrays to the device, and what asks for no array at all.
UPLOADS = frozenset({"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"})
SCALARS_FIRST = frozenset({"where", "full", "full_like", "clip", "broadcast_arrays", "arange", "linspace"})
# numpy's names for what CuPy has as methods and numpy has not, or under another name.
_SPECIAL_NAMES = frozenset({"digamma", "psi", "erf"})


class Memory:
    """The pool that arrays take their memory from."""

    def __init__(self) -> None:
        self.limit = 0
        self.used = 0

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self.limit = size if size is not None else int(TOTAL * (fraction or 0))

    def get_limit(self) -> int:
        return self.limit

    def used_bytes(self) -> int:
        return self.used

    def take(self, size: int) -> None:
        if self.limit and self.used + size > self.limit:
            raise OutOfMemoryError(
                f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes, limit set to: "
                f"{self.limit:,} bytes)."
            )
        self.used += size


class OutOfMemoryError(MemoryError):
    """As CuPy raises it."""


TOTAL = 16 << 30
MEMORY = Memory()
_streams = threading.local()


class Stream:
    """Whatever is computed is done at once, so that a stream only says who computes."""

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.non_blocking = non_blocking
        self.waits = 0
        self.settled = 0

    def __enter__(self) -> Stream:
        _streams.stack = [*getattr(_streams, "stack", []), self]
        return self

    def __exit__(self, *error: Any) -> None:
        _streams.stack = _streams.stack[:-1]

    def record(self, event: Any = None) -> Any:
        return event or SimpleNamespace(stream=self)

    def wait_event(self, event: Any) -> None:
        self.waits += 1

    def synchronize(self) -> None:
        self.settled += 1


def current_stream() -> Stream | None:
    stack = getattr(_streams, "stack", [])
    return stack[-1] if stack else None


class Device:
    def __init__(self, id: int = 0) -> None:
        self.id = id

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def synchronize(self) -> None:
        pass

    @property
    def mem_info(self) -> tuple[int, int]:
        return TOTAL - MEMORY.used, TOTAL


class Array:
    """An array on the device. ``_parents`` are the arrays whose memory a view is in."""

    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any, parents: tuple[Any, ...] = ()) -> None:
        if array.dtype.char not in NUMBERS or array.dtype.isbuiltin != 1:
            raise TypeError(f"Unsupported dtype {array.dtype}")
        self._a = array
        self._parents = parents if array.base is not None else ()
        self._taken = 0
        if current_stream() is None:
            cupy.outside += 1
        if not self._parents:
            MEMORY.take(array.nbytes)
            self._taken = array.nbytes

    def __del__(self) -> None:
        MEMORY.used -= getattr(self, "_taken", 0)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        cupy.synchronisations += 1
        if out is not None:
            out[...] = self._a
            return out
        return self._a.copy()

    def _value(self) -> Any:
        cupy.synchronisations += 1
        return self._a.item()

    def item(self, *place: Any) -> Any:
        cupy.synchronisations += 1
        return self._a.item(*place)

    def tolist(self) -> Any:
        cupy.synchronisations += 1
        return self._a.tolist()

    def tobytes(self, order: str = "C") -> bytes:
        cupy.synchronisations += 1
        return self._a.tobytes(order)

    def __bool__(self) -> bool:
        return bool(self._value())

    def __int__(self) -> int:
        return int(self._value())

    def __float__(self) -> float:
        return float(self._value())

    def __complex__(self) -> complex:
        return complex(self._value())

    def __repr__(self) -> str:
        return f"device {self._a!r}"

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self._a)))

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self._a[_index(index)], (self,))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._a[_index(index)] = _host(value)

    @property
    def base(self) -> Any:
        return self._parents[0] if self._parents else None

    @property
    def device(self) -> Device:
        return Device(0)

    @property
    def flags(self) -> Any:
        flags = self._a.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=not self._parents
        )

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> Any:
        made = self._a.astype(dtype, order=order, copy=copy)
        return self if made is self._a else _wrapped(made, (self,))

    def copy(self, order: str = "C") -> Any:
        return Array(self._a.copy(order))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or f"ndarray.{name}" not in _api():
            raise AttributeError(f"CuPy's arrays have no {name!r}")
        found = getattr(self._a, name)
        if not callable(found):
            return _wrapped(found, (self,))

        def method(*args: Any, **kwargs: Any) -> Any:
            if {"where", "initial"} & set(kwargs):
                raise TypeError(f"{name}() of CuPy takes no {' or '.join(kwargs)}")
            return _wrapped(_call(found, args, kwargs), (self,), kwargs.get("out"))

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("real", "imag", "shape"):
            setattr(self._a, name, _host(value))
        else:
            object.__setattr__(self, name, value)


def _operator(name: str, swapped: bool = False, in_place: bool = False) -> Any:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, np.ndarray):
            raise TypeError(f"Unsupported type {type(other)}")
        args = (other, self) if swapped else (self, other)
        return getattr(cupy, name)(*args, out=self) if in_place else getattr(cupy, name)(*args)

    return method


for _python, _numpy in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift", "matmul": "matmul",
}.items():  # fmt: skip
    setattr(Array, f"__{_python}__", _operator(_numpy))
    setattr(Array, f"__r{_python}__", _operator(_numpy, swapped=True))
    setattr(Array, f"__i{_python}__", _operator(_numpy, in_place=True))
for _python, _numpy in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}.items():  # fmt: skip
    setattr(Array, f"__{_python}__", _operator(_numpy))
Array.__neg__ = lambda self: cupy.negative(self)  # type: ignore[attr-defined]
Array.__abs__ = lambda self: cupy.absolute(self)  # type: ignore[attr-defined]
Array.__invert__ = lambda self: cupy.invert(self)  # type: ignore[attr-defined]


def _host(value: Any) -> Any:
    """What numpy computes with, in place of what the device does."""
    if isinstance(value, Array):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, list | tuple):
        return type(value)(_host(item) for item in value)
    return value


def _index(index: Any) -> Any:
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, Array) and part.dtype == bool:
            cupy.synchronisations += 1
    return _host(index)


def _wrapped(value: Any, parents: tuple[Any, ...], out: Any = None) -> Any:
    if isinstance(out, Array):
        return out
    if isinstance(value, np.ndarray | np.generic):
        return Array(np.asarray(value), parents)
    if isinstance(value, list | tuple):
        made = [_wrapped(item, parents) for item in value]
        return made if type(value) is list else tuple(made)
    return value


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    out = kwargs.get("out")
    if out is not None and not all(isinstance(o, Array) for o in (out if isinstance(out, tuple) else (out,))):
        raise TypeError(f"out must be an array of the device, not {type(out)}")
    with np.errstate(all="ignore"):
        return function(*_host(args), **{name: _host(value) for name, value in kwargs.items()})


class Ufunc:
    """An elementwise function, for the dtypes that CuPy has a kernel for."""

    def __init__(self, name: str, function: Any, loops: list[str]) -> None:
        self.name = name
        self._function = function
        self._loops = [loop.partition("->")[0] for loop in loops]

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
        self._check([_host(a) for a in args if a is not None])
        keywords = {k: v for k, v in (("out", out), ("dtype", dtype)) if v is not None}
        return _wrapped(_call(self._function, args, keywords), args, out)

    def _check(self, args: list[Any]) -> None:
        def fits(arg: Any, char: str) -> bool:
            if isinstance(arg, bool | int | float | complex):
                return True
            return np.can_cast(arg.dtype, np.dtype(char))

        if not any(all(fits(a, c) for a, c in zip(args, loop)) for loop in self._loops):
            dtypes = [str(getattr(a, "dtype", type(a).__name__)) for a in args]
            raise TypeError(f"CuPy has no {self.name} for {', '.join(dtypes)}")

    def reduce(
        self, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        names = {"add": "sum", "multiply": "prod"}
        if self.name not in names:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(a, names[self.name])(axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        names = {"add": "cumsum", "multiply": "cumprod"}
        if self.name not in names:
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return getattr(a, names[self.name])(axis=axis, dtype=dtype, out=out)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """CUDA's atomic operations exist for these alone."""
        known = {"add": "iIlLefdFD", "subtract": "iIlLefdFD", "maximum": "iIlLfd", "minimum": "iIlLfd"}
        if a.dtype.char.replace("q", "l").replace("Q", "L") not in known.get(self.name, ""):
            raise NotImplementedError(f"`{self.name}.at` is not supported for {a.dtype}")
        self._function.at(a._a, _index(indices), _host(b))

    def outer(self, a: Any, b: Any) -> Any:
        return _wrapped(_call(self._function.outer, (a, b), {}), ())


@cache
def _api() -> dict[str, str]:
    """What CuPy has: under each name its parameters, or ``: `` and the dtypes of a ufunc."""
    found: dict[str, str] = {}
    for line in API.read_text().splitlines():
        end = min((at for at in (line.find(":"), line.find("(")) if at > 0), default=len(line))
        found[line[:end]] = line[end:]
    return found


@cache
def _signature(name: str) -> inspect.Signature | None:
    text = _api()[name]
    if "args" in text:
        return None
    made: dict[str, Any] = {}
    exec(f"def function{text}: pass", {}, made)
    return inspect.signature(made["function"])


def _function(name: str, function: Any) -> Any:
    """A function of CuPy's, computed by numpy's of that name, with the parameters of CuPy's."""
    described = _api()[name]
    if described.startswith(":"):
        return Ufunc(name.rpartition(".")[2], function, described[1:].split())
    signature = _signature(name)
    short = name.rpartition(".")[2]

    def call(*args: Any, **kwargs: Any) -> Any:
        if signature is not None:
            signature.bind(*args, **kwargs)
        kwargs.pop("blocking", None)
        if short in UPLOADS:
            return _upload(function, args, kwargs)
        if args and isinstance(args[0], np.generic) and short not in SCALARS_FIRST:
            raise TypeError(f"{short}: Unsupported type {type(args[0])}")
        return _wrapped(_call(function, args, kwargs), args, kwargs.get("out"))

    return call


def _upload(function: Any, args: Any, kwargs: Any) -> Any:
    value, *rest = args
    if isinstance(value, Array):
        made = function(value._a, *rest, **kwargs)
        return value if made is value._a else _wrapped(made, (value,))
    value = _host(value) if isinstance(value, list | tuple) else value
    cupy.uploads += 1
    return Array(np.array(function(value, *rest, **kwargs)))


class _Names(ModuleType):
    """CuPy, or one of its modules."""

    def __init__(self, name: str, prefix: str, source: Any) -> None:
        super().__init__(name)
        self._prefix = prefix
        self._source = source

    def __getattr__(self, name: str) -> Any:
        full = self._prefix + name
        if full not in _api():
            raise AttributeError(f"CuPy has no {full!r}", name=name, obj=self)
        made = _function(full, getattr(self._source, name))
        setattr(self, name, made)
        return made


def _make() -> Any:
    import scipy.special

    made: Any = _Names("fake_gpu", "", np)
    made.synchronisations = 0
    made.outside = 0
    made.uploads = 0
    made.ndarray = Array
    made.asnumpy = lambda a, stream=None, order="C", out=None, blocking=True: (
        a.get(stream, order, out) if isinstance(a, Array) else np.asarray(a)
    )
    made.linalg = _Names("fake_gpu.linalg", "linalg.", np.linalg)
    made.linalg.LinAlgError = np.linalg.LinAlgError
    made.fft = _Names("fake_gpu.fft", "fft.", np.fft)
    made.lib = SimpleNamespace(
        stride_tricks=_Names("fake_gpu.stride", "lib.stride_tricks.", np.lib.stride_tricks)
    )
    made.errstate = np.errstate
    for name in ("newaxis", "pi", "e", "inf", "nan", "dtype", "finfo", "iinfo", "euler_gamma", "generic"):
        setattr(made, name, getattr(np, name))
    for name in ("bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "intp"):
        setattr(made, name, getattr(np, name))
    for name in ("float16", "float32", "float64", "complex64", "complex128", "integer", "floating", "number"):
        setattr(made, name, getattr(np, name))
    for name in ("inexact", "complexfloating", "signedinteger", "unsignedinteger", "s_", "errstate"):
        setattr(made, name, getattr(np, name))
    made.cuda = SimpleNamespace(
        Stream=Stream,
        Device=Device,
        OutOfMemoryError=OutOfMemoryError,
        get_current_stream=current_stream,
        runtime=SimpleNamespace(
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda id: {
                "name": b"Fake", "multiProcessorCount": 80, "clockRate": 1_500_000,
                "memoryClockRate": 900_000, "memoryBusWidth": 4096, "totalGlobalMem": TOTAL,
            },
        ),
    )  # fmt: skip
    made.get_default_memory_pool = lambda: MEMORY
    special = _Names("fake_gpux.scipy.special", "special.", scipy.special)
    sys.modules["fake_gpux.scipy.special"] = special
    return made


cupy = _make()
