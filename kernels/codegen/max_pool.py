"""Max pooling over two spatial axes and its gradient as native code for known shapes, in channels-last layout.

The code takes maxima and sums in the order of ``numeric.pooling``, which gives the same bits. It works on vectors of
channels; what is left of the channels is masked. Chunks are rows of the output, or, for the gradient, images or bands
of channels of one image, so that no two chunks write to one element.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cancellation import check
from ..core.parallel import POOL
from .llvm_engine import function_address
from .window_emitter import FUNCTION_NAME, LANES, MOST_TAPS, TYPES, WindowCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..numeric.windows import Window

# The least finite and the infinite value, as LLVM writes floats of both widths.
_LOWEST = {"f4": "0xC7EFFFFFE0000000", "f8": "0xFFEFFFFFFFFFFFFF"}
_INFINITE = "0x7FF0000000000000"
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
        return 1 if self.images >= 8 else -(-self.channels // LANES)

    @property
    def tiles(self) -> bool:
        """True if every element of the input belongs to exactly one window."""
        win = self.window
        begins_inside = all(before == 0 for before, _ in win.pads)
        return (
            begins_inside
            and win.strides == win.size
            and win.inputs == tuple(o * k for o, k in zip(win.outputs, win.size))
        )

    def compile(self) -> NativeMaxPool | None:
        """The native code; None where there is none for these dtypes and sizes, or it cannot be compiled."""
        win = self.window
        if self.dtype.str[1:] not in TYPES or len(win.size) != 2 or any(d != 1 for d in win.dilations):
            return None
        if not np.prod(self.input_shape) or not np.prod(self.output_shape) or np.prod(win.size) > MOST_TAPS:
            return None
        address = function_address(_emit(self), FUNCTION_NAME)
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


class _PoolCode(WindowCode):
    """The function of a pooling."""

    def __init__(self, loop: MaxPoolLoop) -> None:
        super().__init__(loop.dtype, loop.channels, loop.window)
        self.loop = loop

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
                low = self._scaled(band, LANES)
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
            f"shufflevector {self.integers} {start}, {self.integers} poison, <{LANES} x i32> zeroinitializer"
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
