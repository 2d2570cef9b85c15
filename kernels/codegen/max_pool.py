"""Max pooling over two spatial axes and its gradient as native code for known shapes, in channels-last layout.

The code takes maxima and sums in the order of ``numeric.pooling``, which gives the same bits. It works on vectors of
channels; what is left of the channels is masked. Chunks are rows of the output, or, for the gradient, images or bands
of channels of one image, so that no two chunks write to one element.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cancellation import check
from ..core.parallel import POOL
from .llvm_engine import function_address

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ..numeric.windows import Window

_NAME = "pool"
_TYPES = {"f4": ("float", "i32"), "f8": ("double", "i64")}
# The least finite and the infinite value, as LLVM writes floats of both widths.
_LOWEST = {"f4": "0xC7EFFFFFE0000000", "f8": "0xFFEFFFFFFFFFFFFF"}
_INFINITE = "0x7FF0000000000000"
_LANES = 16
# Taps are unrolled: larger windows would make long code.
_MOST_TAPS = 64
# Elements of the input per chunk, so that a chunk is worth handing out.
_CHUNK = 1 << 15
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True)
class MaxPoolLoop:
    """A max pooling of so many images and channels, or its gradient."""

    dtype: np.dtype[Any]
    images: int
    channels: int
    window: Window
    is_gradient: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.images, *self.window.inputs, self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.images, *self.window.outputs, self.channels)

    @property
    def bands(self) -> int:
        """Bands of channels into which the gradient of an image is cut: several where there are few images."""
        return 1 if self.images >= 8 else -(-self.channels // _LANES)

    @property
    def tiles(self) -> bool:
        """True if every element of the input belongs to exactly one window."""
        win = self.window
        return win.strides == win.size and win.inputs == tuple(o * k for o, k in zip(win.outputs, win.size))

    def compile(self) -> NativeMaxPool | None:
        """The native code; None where there is none for these dtypes and sizes, or it cannot be compiled."""
        win = self.window
        if self.dtype.str[1:] not in _TYPES or len(win.size) != 2 or any(d != 1 for d in win.dilations):
            return None
        if not np.prod(self.input_shape) or not np.prod(self.output_shape) or np.prod(win.size) > _MOST_TAPS:
            return None
        address = function_address(_emit(self), _NAME)
        return None if address is None else NativeMaxPool(self, _PROTOTYPE(address))


class NativeMaxPool:
    """A compiled pooling as a function of arrays of the shapes and dtype for which it was compiled."""

    def __init__(self, loop: MaxPoolLoop, function: Callable[..., None]) -> None:
        self.loop = loop
        self._function = function
        self._units = loop.images * (loop.bands if loop.is_gradient else loop.window.outputs[0])
        size = int(np.prod(loop.input_shape)) // self._units
        self._chunk = max(1, _CHUNK // max(1, size))

    def fits(self, x: Any) -> bool:
        """True if the code is for inputs of this shape and dtype."""
        return x.shape == self.loop.input_shape and x.dtype == self.loop.dtype

    def pool(self, x: Any) -> Any:
        """Returns the maximum of each window."""
        y = np.empty(self.loop.output_shape, self.loop.dtype)
        self._run(np.ascontiguousarray(x), y)
        return y

    def gradient(self, x: Any, dy: Any) -> Any:
        """Passes the gradient of each window on to its first maximum."""
        dx = (np.empty if self.loop.tiles else np.zeros)(self.loop.input_shape, self.loop.dtype)
        self._run(np.ascontiguousarray(x), np.ascontiguousarray(dy), dx)
        return dx

    def _run(self, *arrays: Any) -> None:
        table = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))

        def run_chunk(number: int) -> None:
            check()
            self._function(table, number * self._chunk, min(self._units, (number + 1) * self._chunk))

        POOL.run(run_chunk, -(-self._units // self._chunk))


def _emit(loop: MaxPoolLoop) -> str:
    """The LLVM IR of a function of a table of addresses and the first and last chunk."""
    code = _PoolCode(loop)
    if loop.is_gradient:
        code.gradient()
    else:
        code.forward()
    return code.text()


class _PoolCode:
    """The text of one function. Variables are stack slots, which LLVM turns into registers."""

    def __init__(self, loop: MaxPoolLoop) -> None:
        self.loop = loop
        self.scalar, self.integer = _TYPES[loop.dtype.str[1:]]
        self.vector = f"<{_LANES} x {self.scalar}>"
        self.integers = f"<{_LANES} x {self.integer}>"
        self.flags = f"<{_LANES} x i1>"
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._mask = ""

    def text(self) -> str:
        suffix = f"v{_LANES}f{self.loop.dtype.itemsize * 8}"
        body = "\n".join([*self._slots, *self._lines])
        vector, flags = self.vector, self.flags
        return (
            f"declare {vector} @llvm.masked.load.{suffix}.p0(ptr, i32, {flags}, {vector})\n"
            f"declare void @llvm.masked.store.{suffix}.p0({vector}, ptr, i32, {flags})\n"
            f"define void @{_NAME}(ptr noalias %table, i64 %begin, i64 %end) {{\nentry:\n{body}\nret void\n}}\n"
        )

    def forward(self) -> None:
        win = self.loop.window
        x, y = self._arrays(2)
        with self._loop("%begin", "%end") as row:
            image, out_row = (self._value(f"{o} i64 {row}, {win.outputs[0]}") for o in ("udiv", "urem"))
            top, rows = self._taps(0, out_row)
            with self._loop("0", str(win.outputs[1])) as column:
                left, columns = self._taps(1, column)
                target = self._sum(self._scaled(row, win.outputs[1]), column)
                with self._channels("0", str(self.loop.channels)) as channel:
                    best = self._slot(self.vector, self._splat(_LOWEST[self.loop.dtype.str[1:]]))
                    for across, valid, starts in self._ordered(1, columns):
                        with self._when(valid):
                            part = self._slot(self.vector, self._splat(_LOWEST[self.loop.dtype.str[1:]]))
                            for down, valid_row, starts_column in self._ordered(0, rows):
                                with self._when(valid_row):
                                    here = self._load(
                                        self._element(x, image, top, down, left, across, channel)
                                    )
                                    self._keep_greater(part, here, starts_column)
                            self._keep_greater(best, self._read(self.vector, part), starts)
                    self._store(self._read(self.vector, best), self._at(y, target, channel))

    def gradient(self) -> None:
        loop, win = self.loop, self.loop.window
        x, dy, dx = self._arrays(3)
        with self._loop("%begin", "%end") as unit:
            image, band = (self._value(f"{o} i64 {unit}, {loop.bands}") for o in ("udiv", "urem"))
            low, high = "0", str(loop.channels)
            if loop.bands > 1:
                low = self._scaled(band, _LANES)
                high = self._sum(low, "1")
            # From the last window to the first: the sums of overlapping windows then are in the order of the taps.
            with self._loop("0", str(win.outputs[0])) as down, self._loop("0", str(win.outputs[1])) as across:
                row, column = (
                    self._value(f"sub i64 {n - 1}, {i}") for n, i in zip(win.outputs, (down, across))
                )
                top, rows = self._taps(0, row)
                left, columns = self._taps(1, column)
                source = self._sum(self._scaled(image, win.outputs[0]), row)
                source = self._sum(self._scaled(source, win.outputs[1]), column)
                with self._channels(low, high) as channel:
                    winner = self._winners(x, image, top, rows, left, columns, channel)
                    upstream = self._load(self._at(dy, source, channel))
                    for number, i, j, valid in self._all_taps(rows, columns):
                        with self._when(valid):
                            at = self._element(dx, image, top, i, left, j, channel)
                            self._pass_on(winner, number, upstream, at)

    def _winners(
        self, x: str, image: str, top: str, rows: list[str], left: str, columns: list[str], channel: str
    ) -> str:
        """The number of the tap at which each channel has its first maximum: the first of all where that is NaN."""
        row, column = (
            self._value(f"select i1 {self._value(f'icmp sgt i64 {i}, 0')}, i64 {i}, i64 0")
            for i in (top, left)
        )
        first = self._load(self._element(x, image, row, 0, column, 0, channel))
        nan = self._value(f"fcmp uno {self.vector} {first}, {first}")
        infinite = self._splat(_INFINITE)
        best = self._slot(self.vector, self._choose(nan, self.vector, infinite, first))
        skipped = self._scaled(self._value(f"sub i64 {row}, {top}"), self.loop.window.size[1])
        number = self._sum(skipped, self._value(f"sub i64 {column}, {left}"))
        if self.integer != "i64":
            number = self._value(f"trunc i64 {number} to {self.integer}")
        start = self._value(f"insertelement {self.integers} poison, {self.integer} {number}, i32 0")
        start = self._value(
            f"shufflevector {self.integers} {start}, {self.integers} poison, <{_LANES} x i32> zeroinitializer"
        )
        winner = self._slot(self.integers, start)
        for tap, i, j, valid in self._all_taps(rows, columns):
            with self._when(valid):
                here, most = (
                    self._load(self._element(x, image, top, i, left, j, channel)),
                    self._read(self.vector, best),
                )
                wins = self._value(f"fcmp ogt {self.vector} {here}, {most}")
                self._write(self.vector, self._choose(wins, self.vector, here, most), best)
                before = self._read(self.integers, winner)
                self._write(
                    self.integers, self._choose(wins, self.integers, self._whole(tap), before), winner
                )
        return self._read(self.integers, winner)

    def _pass_on(self, winner: str, number: int, upstream: str, at: str) -> None:
        """Adds the gradient where a tap is the winner; to zero where no other window has the element."""
        wins = self._value(f"icmp eq {self.integers} {winner}, {self._whole(number)}")
        share = self._choose(wins, self.vector, upstream, "zeroinitializer")
        before = "zeroinitializer" if self.loop.tiles else self._load(at)
        self._store(self._value(f"fadd {self.vector} {before}, {share}"), at)

    def _keep_greater(self, slot: str, value: str, starts: bool) -> None:
        """Writes numpy's maximum of a variable and a value: of equals the value, and NaN where one is NaN."""
        if not starts:
            before = self._read(self.vector, slot)
            greater = self._value(f"fcmp ogt {self.vector} {before}, {value}")
            nan = self._value(f"fcmp uno {self.vector} {before}, {before}")
            value = self._choose(self._value(f"or {self.flags} {greater}, {nan}"), self.vector, before, value)
        self._write(self.vector, value, slot)

    def _taps(self, axis: int, output: str) -> tuple[str, list[str]]:
        """The element under the first tap of a window along an axis, and for each tap whether it meets an element."""
        win = self.loop.window
        start = self._value(f"sub i64 {self._scaled(output, win.strides[axis])}, {win.pads[axis][0]}")
        complete = self._complete(axis)
        valid: list[str] = []
        for tap in range(win.size[axis]):
            if tap in complete:
                valid.append("true")
                continue
            at = self._sum(start, str(tap))
            # Negative numbers are large ones without a sign.
            valid.append(self._value(f"icmp ult i64 {at}, {win.inputs[axis]}"))
        return start, valid

    def _complete(self, axis: int) -> list[int]:
        """The taps that meet an element in every window along an axis."""
        win = self.loop.window
        outputs = slice(0, win.outputs[axis])
        return [tap for tap, outs, _ in win.taps_of(axis) if outs == outputs]

    def _ordered(self, axis: int, valid: list[str]) -> list[tuple[int, str, bool]]:
        """Taps with whether they meet an element, in the order in which numpy reduces them: a complete one, with whose
        value the maximum begins, comes first."""
        begin = next(iter(self._complete(axis)), None)
        taps = sorted(range(len(valid)), key=lambda tap: tap != begin)
        return [(tap, valid[tap], tap == begin) for tap in taps]

    def _all_taps(self, rows: list[str], columns: list[str]) -> Iterator[tuple[int, int, int, str]]:
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                yield i * len(columns) + j, i, j, self._both(row, column)

    def _both(self, a: str, b: str) -> str:
        if "true" in (a, b):
            return b if a == "true" else a
        return self._value(f"and i1 {a}, {b}")

    def _element(
        self, array: str, image: str, top: str, down: int, left: str, across: int, channel: str
    ) -> str:
        height, width = self.loop.window.inputs
        row = self._sum(self._scaled(image, height), self._sum(top, str(down)))
        return self._at(array, self._sum(self._scaled(row, width), self._sum(left, str(across))), channel)

    def _at(self, array: str, pixel: str, channel: str) -> str:
        index = self._sum(self._scaled(pixel, self.loop.channels), channel)
        return self._value(f"getelementptr {self.scalar}, ptr {array}, i64 {index}")

    def _arrays(self, count: int) -> list[str]:
        places = [self._value(f"getelementptr ptr, ptr %table, i64 {i}") for i in range(count)]
        return [self._value(f"load ptr, ptr {place}") for place in places]

    def _load(self, address: str) -> str:
        size = self.loop.dtype.itemsize
        if not self._mask:
            return self._value(f"load {self.vector}, ptr {address}, align {size}")
        suffix = f"v{_LANES}f{size * 8}"
        return self._value(
            f"call {self.vector} @llvm.masked.load.{suffix}.p0(ptr {address}, i32 {size}, {self.flags} {self._mask}, "
            f"{self.vector} zeroinitializer)"
        )

    def _store(self, value: str, address: str) -> None:
        size = self.loop.dtype.itemsize
        if not self._mask:
            self._lines.append(f"store {self.vector} {value}, ptr {address}, align {size}")
            return
        self._lines.append(
            f"call void @llvm.masked.store.v{_LANES}f{size * 8}.p0({self.vector} {value}, ptr {address}, i32 {size}, "
            f"{self.flags} {self._mask})"
        )

    @contextmanager
    def _channels(self, low: str, high: str) -> Generator[str, None, None]:
        """A loop over vectors of channels, in which loads and stores are masked where the channels do not fill them."""
        with self._loop(low, high, _LANES) as channel:
            if self.loop.channels % _LANES:
                left = self._value(f"sub i64 {self.loop.channels}, {channel}")
                lanes = f"<{_LANES} x i64>"
                left = self._value(f"insertelement {lanes} poison, i64 {left}, i32 0")
                left = self._value(
                    f"shufflevector {lanes} {left}, {lanes} poison, <{_LANES} x i32> zeroinitializer"
                )
                numbers = ", ".join(f"i64 {i}" for i in range(_LANES))
                self._mask = self._value(f"icmp slt {lanes} <{numbers}>, {left}")
            yield channel

    @contextmanager
    def _loop(self, low: str, high: str, step: int = 1) -> Generator[str, None, None]:
        counter = self._slot("i64", low)
        self._count += 1
        number = self._count
        self._lines += [f"br label %head{number}", f"head{number}:"]
        index = self._read("i64", counter)
        going = self._value(f"icmp slt i64 {index}, {high}")
        self._lines += [f"br i1 {going}, label %body{number}, label %done{number}", f"body{number}:"]
        yield index
        self._write("i64", self._value(f"add nsw i64 {index}, {step}"), counter)
        self._lines += [f"br label %head{number}", f"done{number}:"]

    @contextmanager
    def _when(self, condition: str) -> Generator[None, None, None]:
        if condition == "true":
            yield
            return
        self._count += 1
        number = self._count
        self._lines += [f"br i1 {condition}, label %then{number}, label %after{number}", f"then{number}:"]
        yield
        self._lines += [f"br label %after{number}", f"after{number}:"]

    def _value(self, text: str) -> str:
        self._count += 1
        self._lines.append(f"%v{self._count} = {text}")
        return f"%v{self._count}"

    def _slot(self, kind: str, value: str) -> str:
        self._count += 1
        name = f"%s{self._count}"
        self._slots.append(f"{name} = alloca {kind}")
        self._write(kind, value, name)
        return name

    def _read(self, kind: str, slot: str) -> str:
        return self._value(f"load {kind}, ptr {slot}")

    def _write(self, kind: str, value: str, slot: str) -> None:
        self._lines.append(f"store {kind} {value}, ptr {slot}")

    def _choose(self, flags: str, kind: str, a: str, b: str) -> str:
        return self._value(f"select {self.flags} {flags}, {kind} {a}, {kind} {b}")

    def _sum(self, a: str, b: str) -> str:
        return a if b == "0" else self._value(f"add nsw i64 {a}, {b}")

    def _scaled(self, a: str, factor: int) -> str:
        return a if factor == 1 else self._value(f"mul nsw i64 {a}, {factor}")

    def _splat(self, number: str) -> str:
        return f"<{', '.join([f'{self.scalar} {number}'] * _LANES)}>"

    def _whole(self, number: int) -> str:
        return f"<{', '.join([f'{self.integer} {number}'] * _LANES)}>"
