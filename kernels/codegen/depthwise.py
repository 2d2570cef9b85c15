"""Depthwise convolution with one filter per channel as native code for known shapes, in channels-last layout.

Products are rounded and added in the order of the taps, as numpy's kernel does, which gives the same bits. A chunk is
some rows of the output.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.cancellation import check
from ..core.parallel import POOL
from .llvm_engine import function_address
from .window_emitter import FUNCTION_NAME, MOST_TAPS, TYPES, WindowCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..numeric.windows import Window

# Products per chunk, so that a chunk is worth handing out.
_CHUNK = 1 << 18
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True)
class DepthwiseLoop:
    """A convolution of so many images and channels. ``multiplies_padding``: zeros around the image are multiplied
    like its elements, which matters where a filter is not finite."""

    dtype: np.dtype[Any]
    images: int
    channels: int
    window: Window
    multiplies_padding: bool

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.images, *self.window.inputs, self.channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.images, *self.window.outputs, self.channels)

    def compile(self) -> NativeDepthwise | None:
        """The native code; None where there is none for these dtypes and sizes, or it cannot be compiled."""
        win = self.window
        if self.dtype.str[1:] not in TYPES or len(win.size) != 2 or not 0 < np.prod(win.size) <= MOST_TAPS:
            return None
        if not np.prod(self.input_shape) or not np.prod(self.output_shape):
            return None
        code = _DepthwiseCode(self)
        code.forward()
        address = function_address(code.text(), FUNCTION_NAME)
        return None if address is None else NativeDepthwise(self, _PROTOTYPE(address))


class NativeDepthwise:
    """A compiled convolution as a function of arrays of the shapes and dtype for which it was compiled."""

    def __init__(self, loop: DepthwiseLoop, function: Callable[..., None]) -> None:
        self.loop = loop
        self._function = function
        self._rows = loop.images * loop.window.outputs[0]
        per_row = loop.window.outputs[1] * loop.channels * int(np.prod(loop.window.size))
        self._chunk = max(1, _CHUNK // per_row)

    def fits(self, x: Any) -> bool:
        """True if the code is for inputs of this shape and dtype."""
        return x.shape == self.loop.input_shape and x.dtype == self.loop.dtype

    def convolve(self, x: Any, w: Any) -> Any:
        """Returns the convolution of x [batch, *in, c] with a filter [height, width, c, 1]."""
        y = np.empty(self.loop.output_shape, self.loop.dtype)
        arrays = (np.ascontiguousarray(x), np.ascontiguousarray(w), y)
        table = (ctypes.c_void_p * 3)(*(array.ctypes.data for array in arrays))

        def run_chunk(number: int) -> None:
            check()
            self._function(table, number * self._chunk, min(self._rows, (number + 1) * self._chunk))

        POOL.run(run_chunk, -(-self._rows // self._chunk))
        return y


class _DepthwiseCode(WindowCode):
    """The function of a convolution."""

    def __init__(self, loop: DepthwiseLoop) -> None:
        super().__init__(loop.dtype, loop.channels, loop.window)
        self.loop = loop

    def forward(self) -> None:
        win = self.window
        x, w, y = self._arrays(3)
        with self._loop("%begin", "%end") as row:
            image, out_row = (self._value(f"{o} i64 {row}, {win.outputs[0]}") for o in ("udiv", "urem"))
            top, rows = self._taps(0, out_row)
            with self._channels("0", str(self.channels)) as channel:
                width = win.size[1]
                taps = [(i, j) for i in range(win.size[0]) for j in range(width)]
                filters = [self._load(self._at(w, str(i * width + j), channel)) for i, j in taps]
                with self._loop("0", str(win.outputs[1])) as column:
                    left, columns = self._taps(1, column)
                    total = self._slot(self.vector, "zeroinitializer")
                    for (i, j), factor in zip(taps, filters):
                        place = (x, image, top, i, left, j, channel)
                        self._add_tap(total, place, (rows[i], columns[j]), factor, is_first=(i, j) == (0, 0))
                    pixel = self._sum(self._scaled(row, win.outputs[1]), column)
                    self._store(self._read(self.vector, total), self._at(y, pixel, channel))

    def _add_tap(
        self, total: str, place: tuple[Any, ...], valid: tuple[str, str], factor: str, *, is_first: bool
    ) -> None:
        inside = self._both(*valid)
        if not self.loop.multiplies_padding:
            with self._when(inside):
                self._add_product(total, self._load(self._element(*place)), factor, is_first=False)
            return
        element = self._slot(self.vector, "zeroinitializer")
        with self._when(inside):
            self._write(self.vector, self._load(self._element(*place)), element)
        self._add_product(total, self._read(self.vector, element), factor, is_first=is_first)

    def _add_product(self, total: str, element: str, factor: str, *, is_first: bool) -> None:
        product = self._value(f"fmul {self.vector} {element}, {factor}")
        if not is_first:
            product = self._value(f"fadd {self.vector} {self._read(self.vector, total)}, {product}")
        self._write(self.vector, product, total)
