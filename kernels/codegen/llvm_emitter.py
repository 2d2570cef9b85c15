"""Emits a loop of expressions as LLVM IR text.

The function is ``void @loop(ptr arrays, i64 begin, i64 end)``: ``arrays`` are the addresses of the inputs, then of the
outputs. A loop of one dimension runs over the elements from ``begin`` to ``end``, another over those rows, a row being
the last dimension. The body is scalar code, which LLVM vectorises; the metadata tell it that iterations are
independent, so that an output may lie in the memory of an input of its shape.

No flag permits LLVM to reorder or contract floating-point arithmetic: results are those of numpy, bit for bit, and do
not depend on how the loop was vectorised or cut.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from .expression import Apply, Input, Literal, in_order, iteration_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from .expression import ElementLoop, Expression

NAME = "loop"

_FLOATS = {"f4": "float", "f8": "double"}
_INTEGERS = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
_FLOAT_ARITHMETIC = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_INTEGER_ARITHMETIC = {"add": "add", "subtract": "sub", "multiply": "mul"}
_LOGIC = {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}
# Ordered comparisons are false for NaN; that of inequality is true.
_FLOAT_COMPARISONS = {
    "less": "olt", "less_equal": "ole", "greater": "ogt", "greater_equal": "oge", "equal": "oeq", "not_equal": "une",
}  # fmt: skip
_INTEGER_COMPARISONS = {
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne",
}  # fmt: skip
_INTRINSICS = {
    "sqrt": "sqrt", "absolute": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "nearbyint",
}  # fmt: skip


class UnsupportedError(Exception):
    """An expression that this emitter has no code for."""


def is_supported(dtype: np.dtype[Any]) -> bool:
    """True for the dtypes that arrays of a loop may have."""
    return dtype.isnative and (dtype.kind in "iub" or dtype.str[1:] in _FLOATS)


def emit(loop: ElementLoop) -> str:
    """The LLVM module of a loop, with one function ``NAME``. Raises UnsupportedError."""
    return _Emitter(loop).module()


class _Emitter:
    """Writes one function. Values are named ``%v1``, ``%v2`` …"""

    def __init__(self, loop: ElementLoop) -> None:
        self.loop = loop
        self.lines: list[str] = []
        self.declared: dict[str, None] = {}
        self.count = 0
        shapes = [one.shape for one in loop.inputs] + [loop.shape] * len(loop.outputs)
        self.space = iteration_space(loop.shape, shapes)
        self.dtypes = [one.dtype for one in loop.inputs] + [one.dtype for one in loop.outputs]

    def value(self, code: str) -> str:
        """Adds an instruction, and returns the name of its result."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {code}")
        return f"%v{self.count}"

    def module(self) -> str:
        pointers = [self._pointer(number) for number in range(len(self.dtypes))]
        if len(self.space.dims) == 1:
            self._elements(pointers, "%begin", "%end", "entry", "done")
        else:
            self._rows(pointers)
        body = "\n".join(self.lines)
        return (
            f"define void @{NAME}(ptr %arrays, i64 %begin, i64 %end) {{\nentry:\n{body}\ndone:\n  ret void\n}}\n"
            + "".join(f"{line}\n" for line in self.declared)
            + '!0 = distinct !{}\n!1 = distinct !{!1, !2, !3}\n!2 = !{!"llvm.loop.parallel_accesses", !0}\n'
            + '!3 = !{!"llvm.loop.vectorize.enable", i1 true}\n'
        )

    def _pointer(self, number: int) -> str:
        place = self.value(f"getelementptr ptr, ptr %arrays, i64 {number}")
        return self.value(f"load ptr, ptr {place}")

    def _rows(self, pointers: Sequence[str]) -> None:
        """The loop over rows, around that over the elements of one."""
        width = self.space.dims[-1]
        self.lines += [
            "  br label %rows",
            "rows:",
            "  %row = phi i64 [%begin, %entry], [%next_row, %row_done]",
        ]
        self.lines += [
            "  %more_rows = icmp slt i64 %row, %end",
            "  br i1 %more_rows, label %a_row, label %done",
        ]
        self.lines.append("a_row:")
        indices = self._row_indices()
        moved = [self._row_pointer(number, pointer, indices) for number, pointer in enumerate(pointers)]
        self._elements(moved, "0", str(width), "a_row", "row_done")
        self.lines += ["row_done:", "  %next_row = add nsw i64 %row, 1", "  br label %rows"]

    def _row_indices(self) -> list[str]:
        """The index along each dimension but the last."""
        indices: list[str] = []
        rest = "%row"
        outer = self.space.dims[:-1]
        for axis in range(len(outer) - 1, 0, -1):
            indices.insert(0, self.value(f"urem i64 {rest}, {outer[axis]}"))
            rest = self.value(f"udiv i64 {rest}, {outer[axis]}")
        return [rest, *indices]

    def _row_pointer(self, number: int, pointer: str, indices: Sequence[str]) -> str:
        element = _memory_type(self.dtypes[number])
        for index, stride in zip(indices, self.space.strides[number]):
            if stride:
                offset = self.value(f"mul nsw i64 {index}, {stride}")
                pointer = self.value(f"getelementptr {element}, ptr {pointer}, i64 {offset}")
        return pointer

    def _elements(self, pointers: Sequence[str], begin: str, end: str, before: str, after: str) -> None:
        """The innermost loop. Inputs that are one number for all of it are loaded before."""
        count = len(self.loop.inputs)
        fixed = {
            number: self._load(number, pointers[number], "")
            for number in range(count)
            if not self.space.strides[number][-1]
        }
        self.lines += [
            f"  %some = icmp slt i64 {begin}, {end}",
            f"  br i1 %some, label %element, label %{after}",
        ]
        self.lines += ["element:", f"  %i = phi i64 [{begin}, %{before}], [%next, %element]"]
        values: dict[Expression, str] = {}
        loaded = dict(fixed)
        for one in in_order(self.loop.outputs):
            if isinstance(one, Input):
                if one.index not in loaded:
                    loaded[one.index] = self._load(one.index, pointers[one.index], "%i")
                values[one] = loaded[one.index]
            elif isinstance(one, Literal):
                values[one] = _literal(one.value, one.dtype)
            elif isinstance(one, Apply):
                values[one] = self._apply(one, [values[a] for a in one.arguments])
        for number, output in enumerate(self.loop.outputs):
            self._store(count + number, pointers[count + number], values[output])
        self.lines += ["  %next = add nsw i64 %i, 1", f"  %more = icmp slt i64 %next, {end}"]
        self.lines.append(f"  br i1 %more, label %element, label %{after}, !llvm.loop !1")

    def _load(self, number: int, pointer: str, index: str) -> str:
        dtype = self.dtypes[number]
        element = _memory_type(dtype)
        if index:
            pointer = self.value(f"getelementptr inbounds {element}, ptr {pointer}, i64 {index}")
        group = ", !llvm.access.group !0" if index else ""
        value = self.value(f"load {element}, ptr {pointer}, align {dtype.itemsize}{group}")
        return self.value(f"icmp ne i8 {value}, 0") if dtype.kind == "b" else value

    def _store(self, number: int, pointer: str, value: str) -> None:
        dtype = self.dtypes[number]
        element = _memory_type(dtype)
        if dtype.kind == "b":
            value = self.value(f"zext i1 {value} to i8")
        place = self.value(f"getelementptr inbounds {element}, ptr {pointer}, i64 %i")
        self.lines.append(
            f"  store {element} {value}, ptr {place}, align {dtype.itemsize}, !llvm.access.group !0"
        )

    def _apply(self, one: Apply, values: Sequence[str]) -> str:
        dtype = one.arguments[0].dtype
        kind = _type(dtype)
        if one.function == "cast":
            return self._cast(values[0], dtype, one.dtype)
        if one.function == "where":
            kind = _type(one.dtype)
            return self.value(f"select i1 {values[0]}, {kind} {values[1]}, {kind} {values[2]}")
        if dtype.kind == "b":
            return self._logic(one.function, values)
        code = self._float(one.function, kind, values) if dtype.kind == "f" else None
        if dtype.kind in "iu":
            code = self._integer(one.function, kind, values, "s" if dtype.kind == "i" else "u")
        if code is None:
            raise UnsupportedError(f"{one.function} of {dtype}")
        return code

    def _logic(self, function: str, values: Sequence[str]) -> str:
        if function == "logical_not":
            return self.value(f"xor i1 {values[0]}, true")
        if function in _LOGIC:
            return self.value(f"{_LOGIC[function]} i1 {values[0]}, {values[1]}")
        if function in ("equal", "not_equal"):
            return self.value(f"icmp {_INTEGER_COMPARISONS[function]} i1 {values[0]}, {values[1]}")
        raise UnsupportedError(f"{function} of bool")

    def _float(self, function: str, kind: str, values: Sequence[str]) -> str | None:
        if function in _FLOAT_ARITHMETIC:
            return self.value(f"{_FLOAT_ARITHMETIC[function]} {kind} {values[0]}, {values[1]}")
        if function in _FLOAT_COMPARISONS:
            return self.value(f"fcmp {_FLOAT_COMPARISONS[function]} {kind} {values[0]}, {values[1]}")
        if function in _INTRINSICS:
            name = f"@llvm.{_INTRINSICS[function]}.{'f32' if kind == 'float' else 'f64'}"
            self.declared[f"declare {kind} {name}({kind})"] = None
            return self.value(f"call {kind} {name}({kind} {values[0]})")
        if function == "negative":
            return self.value(f"fneg {kind} {values[0]}")
        if function == "isnan":
            return self.value(f"fcmp uno {kind} {values[0]}, {values[0]}")
        if function in ("maximum", "minimum", "fmax", "fmin"):
            return self._float_extremum(function, kind, values[0], values[1])
        return self._float_sign(kind, values[0]) if function == "sign" else None

    def _float_extremum(self, function: str, kind: str, a: str, b: str) -> str:
        """The larger or smaller of two, of equal ones (0 and -0) the second; a NaN of either for maximum and minimum,
        the other for fmax and fmin."""
        better = self.value(f"fcmp {'ogt' if 'max' in function else 'olt'} {kind} {a}, {b}")
        decisive = b if function in ("fmax", "fmin") else a
        is_nan = self.value(f"fcmp uno {kind} {decisive}, {decisive}")
        first = self.value(f"or i1 {better}, {is_nan}")
        return self.value(f"select i1 {first}, {kind} {a}, {kind} {b}")

    def _float_sign(self, kind: str, x: str) -> str:
        """-1, 0 or 1; NaN for NaN, and 0 for -0."""
        zero = self.value(f"fcmp oeq {kind} {x}, 0.0")
        result = self.value(f"select i1 {zero}, {kind} 0.0, {kind} {x}")
        for comparison, sign in (("olt", "-1.0"), ("ogt", "1.0")):
            holds = self.value(f"fcmp {comparison} {kind} {x}, 0.0")
            result = self.value(f"select i1 {holds}, {kind} {sign}, {kind} {result}")
        return result

    def _integer(self, function: str, kind: str, values: Sequence[str], signed: str) -> str | None:
        if function in _INTEGER_ARITHMETIC:
            return self.value(f"{_INTEGER_ARITHMETIC[function]} {kind} {values[0]}, {values[1]}")
        if function in _INTEGER_COMPARISONS:
            return self.value(f"icmp {self._predicate(function, signed)} {kind} {values[0]}, {values[1]}")
        if function in ("maximum", "minimum"):
            comparison = f"{signed}{'ge' if function == 'maximum' else 'le'}"
            first = self.value(f"icmp {comparison} {kind} {values[0]}, {values[1]}")
            return self.value(f"select i1 {first}, {kind} {values[0]}, {kind} {values[1]}")
        if function == "negative":
            return self.value(f"sub {kind} 0, {values[0]}")
        if function == "absolute" and signed == "s":
            opposite = self.value(f"sub {kind} 0, {values[0]}")
            is_negative = self.value(f"icmp slt {kind} {values[0]}, 0")
            return self.value(f"select i1 {is_negative}, {kind} {opposite}, {kind} {values[0]}")
        return None

    @staticmethod
    def _predicate(function: str, signed: str) -> str:
        name = _INTEGER_COMPARISONS[function]
        return name if name in ("eq", "ne") else signed + name

    def _cast(self, value: str, source: np.dtype[Any], target: np.dtype[Any]) -> str:
        old, new = _type(source), _type(target)
        if source == target or (old == new and "f" not in (source.kind, target.kind)):
            return value
        if target.kind == "b":
            comparison = "fcmp une" if source.kind == "f" else "icmp ne"
            return self.value(f"{comparison} {old} {value}, {'0.0' if source.kind == 'f' else '0'}")
        if source.kind == "f" and target.kind == "f":
            return self.value(
                f"{'fpext' if target.itemsize > source.itemsize else 'fptrunc'} {old} {value} to {new}"
            )
        if target.kind == "f":
            return self.value(f"{'sitofp' if source.kind == 'i' else 'uitofp'} {old} {value} to {new}")
        if source.kind == "f":
            raise UnsupportedError("a cast of floats to integers depends on the processor out of range")
        if source.kind == "b" or target.itemsize > source.itemsize:
            return self.value(f"{'sext' if source.kind == 'i' else 'zext'} {old} {value} to {new}")
        return self.value(f"trunc {old} {value} to {new}")


def _type(dtype: np.dtype[Any]) -> str:
    """The type of a value; that of a bool is i1."""
    return "i1" if dtype.kind == "b" else _memory_type(dtype)


def _memory_type(dtype: np.dtype[Any]) -> str:
    if not is_supported(dtype):
        raise UnsupportedError(f"dtype {dtype}")
    return _FLOATS[dtype.str[1:]] if dtype.kind == "f" else _INTEGERS[dtype.itemsize]


def _literal(value: Any, dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        # LLVM writes a float as the double of the same value.
        return f"0x{struct.unpack('<Q', struct.pack('<d', float(dtype.type(value))))[0]:016X}"
    return str(bool(value)).lower() if dtype.kind == "b" else str(int(value))
