"""LLVM IR of functions that slide a window over two spatial axes of images, in channels-last layout.

Code works on vectors of channels; what is left of the channels is masked. Sizes are constants of the code.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np

    from ..numeric.windows import Window

FUNCTION_NAME = "window"
# The types of LLVM that hold the dtypes, and integers as wide.
TYPES = {"f4": ("float", "i32"), "f8": ("double", "i64")}
LANES = 16
# Taps are unrolled: larger windows would make long code.
MOST_TAPS = 64


class WindowCode:
    """The text of one function. Variables are stack slots, which LLVM turns into registers."""

    def __init__(self, dtype: np.dtype[Any], channels: int, window: Window) -> None:
        self.dtype = dtype
        self.channels = channels
        self.window = window
        self.scalar, self.integer = TYPES[dtype.str[1:]]
        self.vector = f"<{LANES} x {self.scalar}>"
        self.integers = f"<{LANES} x {self.integer}>"
        self.flags = f"<{LANES} x i1>"
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self._mask = ""

    def text(self) -> str:
        suffix = f"v{LANES}f{self.dtype.itemsize * 8}"
        body = "\n".join([*self._slots, *self._lines])
        vector, flags = self.vector, self.flags
        return (
            f"declare {vector} @llvm.masked.load.{suffix}.p0(ptr, i32, {flags}, {vector})\n"
            f"declare void @llvm.masked.store.{suffix}.p0({vector}, ptr, i32, {flags})\n"
            f"define void @{FUNCTION_NAME}(ptr noalias %table, i64 %begin, i64 %end) {{\nentry:\n{body}\nret void\n}}\n"
        )

    def _taps(self, axis: int, output: str) -> tuple[str, list[str]]:
        """The element under the first tap of a window along an axis, and for each tap whether it meets an element."""
        win = self.window
        start = self._value(f"sub i64 {self._scaled(output, win.strides[axis])}, {win.pads[axis][0]}")
        complete = self._complete(axis)
        valid: list[str] = []
        for tap in range(win.size[axis]):
            if tap in complete:
                valid.append("true")
                continue
            at = self._sum(start, str(tap * win.dilations[axis]))
            # Negative numbers are large ones without a sign.
            valid.append(self._value(f"icmp ult i64 {at}, {win.inputs[axis]}"))
        return start, valid

    def _complete(self, axis: int) -> list[int]:
        """The taps that meet an element in every window along an axis."""
        win = self.window
        outputs = slice(0, win.outputs[axis])
        return [tap for tap, outs, _ in win.taps_of(axis) if outs == outputs]

    def _both(self, a: str, b: str) -> str:
        if "true" in (a, b):
            return b if a == "true" else a
        return self._value(f"and i1 {a}, {b}")

    def _element(
        self, array: str, image: str, top: str, down: int, left: str, across: int, channel: str
    ) -> str:
        height, width = self.window.inputs
        row = self._sum(self._scaled(image, height), self._sum(top, str(down * self.window.dilations[0])))
        return self._at(
            array,
            self._sum(self._scaled(row, width), self._sum(left, str(across * self.window.dilations[1]))),
            channel,
        )

    def _at(self, array: str, pixel: str, channel: str) -> str:
        index = self._sum(self._scaled(pixel, self.channels), channel)
        return self._value(f"getelementptr {self.scalar}, ptr {array}, i64 {index}")

    def _arrays(self, count: int) -> list[str]:
        places = [self._value(f"getelementptr ptr, ptr %table, i64 {i}") for i in range(count)]
        return [self._value(f"load ptr, ptr {place}") for place in places]

    def _load(self, address: str) -> str:
        size = self.dtype.itemsize
        if not self._mask:
            return self._value(f"load {self.vector}, ptr {address}, align {size}")
        suffix = f"v{LANES}f{size * 8}"
        return self._value(
            f"call {self.vector} @llvm.masked.load.{suffix}.p0(ptr {address}, i32 {size}, {self.flags} {self._mask}, "
            f"{self.vector} zeroinitializer)"
        )

    def _store(self, value: str, address: str) -> None:
        size = self.dtype.itemsize
        if not self._mask:
            self._lines.append(f"store {self.vector} {value}, ptr {address}, align {size}")
            return
        self._lines.append(
            f"call void @llvm.masked.store.v{LANES}f{size * 8}.p0({self.vector} {value}, ptr {address}, i32 {size}, "
            f"{self.flags} {self._mask})"
        )

    @contextmanager
    def _channels(self, low: str, high: str) -> Generator[str, None, None]:
        """A loop over vectors of channels, in which loads and stores are masked where the channels do not fill them."""
        with self._loop(low, high, LANES) as channel:
            if self.channels % LANES:
                left = self._value(f"sub i64 {self.channels}, {channel}")
                lanes = f"<{LANES} x i64>"
                left = self._value(f"insertelement {lanes} poison, i64 {left}, i32 0")
                left = self._value(
                    f"shufflevector {lanes} {left}, {lanes} poison, <{LANES} x i32> zeroinitializer"
                )
                numbers = ", ".join(f"i64 {i}" for i in range(LANES))
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
        return f"<{', '.join([f'{self.scalar} {number}'] * LANES)}>"

    def _whole(self, number: int) -> str:
        return f"<{', '.join([f'{self.integer} {number}'] * LANES)}>"
