"""Records what a kernel computes, as an expression: the kernel is called with symbols in place of arrays.

Kernels take their array module as an argument, so that one body serves numpy and CuPy. ``TRACER`` is a third such
module, of elementwise functions alone. A kernel that asks for anything else fails with AttributeError or TypeError: it
is not elementwise.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .expression import CALLS, FUNCTIONS, Apply, Expression, Input, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .expression import Operand

# Functions of numpy that are one of the IR's under another name.
_ALIASES = {"true_divide": "divide", "abs": "absolute", "logical_not": "logical_not", "round": "rint"}
_COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
_LOGIC = ("logical_and", "logical_or", "logical_xor", "logical_not")
_BITWISE = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}


class TracedArray:
    """An array that a kernel under trace computes with. It has no elements: reading them raises TypeError."""

    __array_ufunc__ = None
    __iter__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expression: Expression, shape: tuple[int, ...]) -> None:
        self.expression = expression
        self.shape = shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.expression.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("a symbol has no elements")

    def __bool__(self) -> bool:
        raise TypeError("a symbol has no elements")

    def astype(self, dtype: Any, copy: bool = True) -> TracedArray:
        return _cast(self, np.dtype(dtype))

    def __add__(self, other: Any) -> TracedArray:
        return _apply("add", self, other)

    def __radd__(self, other: Any) -> TracedArray:
        return _apply("add", other, self)

    def __sub__(self, other: Any) -> TracedArray:
        return _apply("subtract", self, other)

    def __rsub__(self, other: Any) -> TracedArray:
        return _apply("subtract", other, self)

    def __mul__(self, other: Any) -> TracedArray:
        return _apply("multiply", self, other)

    def __rmul__(self, other: Any) -> TracedArray:
        return _apply("multiply", other, self)

    def __truediv__(self, other: Any) -> TracedArray:
        return _apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> TracedArray:
        return _apply("divide", other, self)

    def __iadd__(self, other: Any) -> TracedArray:
        return self.write(self + other)

    def __isub__(self, other: Any) -> TracedArray:
        return self.write(self - other)

    def __imul__(self, other: Any) -> TracedArray:
        return self.write(self * other)

    def __itruediv__(self, other: Any) -> TracedArray:
        return self.write(self / other)

    def __iand__(self, other: Any) -> TracedArray:
        return self.write(self & other)

    def __ior__(self, other: Any) -> TracedArray:
        return self.write(self | other)

    def __ixor__(self, other: Any) -> TracedArray:
        return self.write(self ^ other)

    def write(self, value: TracedArray) -> TracedArray:
        """Becomes the value, for all who refer to this array: what writing into its memory does."""
        if value.dtype != self.dtype or value.shape != self.shape:
            raise TypeError(
                f"{value.dtype} of {value.shape} is not written over {self.dtype} of {self.shape}"
            )
        self.expression = value.expression
        return self

    def __neg__(self) -> TracedArray:
        return _apply("negative", self)

    def __abs__(self) -> TracedArray:
        return _apply("absolute", self)

    def __lt__(self, other: Any) -> TracedArray:
        return _apply("less", self, other)

    def __le__(self, other: Any) -> TracedArray:
        return _apply("less_equal", self, other)

    def __gt__(self, other: Any) -> TracedArray:
        return _apply("greater", self, other)

    def __ge__(self, other: Any) -> TracedArray:
        return _apply("greater_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return _apply("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return _apply("not_equal", self, other)

    def __and__(self, other: Any) -> TracedArray:
        return _apply("bitwise_and", self, other)

    def __or__(self, other: Any) -> TracedArray:
        return _apply("bitwise_or", self, other)

    def __xor__(self, other: Any) -> TracedArray:
        return _apply("bitwise_xor", self, other)

    def __invert__(self) -> TracedArray:
        if self.dtype.kind != "b":
            raise TypeError("~ of a symbol that is no bool")
        return _apply("logical_not", self)


class Tracer:
    """The array module that records: functions of the expression IR, and numpy's names of dtypes."""

    __name__ = "tfg.kernels.codegen.tracing"

    def __getattr__(self, name: str) -> Any:
        known = _ALIASES.get(name, name)
        if known in FUNCTIONS or known in CALLS or known in _BITWISE:
            return partial(_call, known)
        found = getattr(np, name)
        if isinstance(found, type) and issubclass(found, np.generic):
            return found
        raise AttributeError(f"{name} is no function of elements")

    @staticmethod
    def square(x: TracedArray) -> TracedArray:
        return _apply("multiply", x, x)

    @staticmethod
    def reciprocal(x: TracedArray) -> TracedArray:
        return _apply("divide", x.dtype.type(1), x)

    @staticmethod
    def clip(x: Any, low: Any, high: Any) -> TracedArray:
        return _apply("minimum", _apply("maximum", x, low), high)

    @staticmethod
    def zeros_like(x: TracedArray) -> TracedArray:
        return TracedArray(Literal(x.dtype, 0), x.shape)

    @staticmethod
    def ones_like(x: TracedArray) -> TracedArray:
        return TracedArray(Literal(x.dtype, 1), x.shape)


TRACER = Tracer()


def trace(kernel: Callable[..., Any], operands: Sequence[Operand]) -> TracedArray | None:
    """The expression of a kernel on arrays of these dtypes and shapes; None if it is not elementwise.

    The kernel has been bound with ``TRACER`` as its array module.
    """
    symbols = [TracedArray(Input(one.dtype, i), one.shape) for i, one in enumerate(operands)]
    try:
        result = kernel(*symbols)
    except Exception:
        # Any failure means that the kernel did what symbols cannot.
        return None
    return result if isinstance(result, TracedArray) else None


def _call(function: str, *values: Any, out: TracedArray | None = None) -> TracedArray:
    """A function as kernels call it, which may write into an array."""
    result = _apply(function, *values)
    return result if out is None else out.write(result)


def _apply(function: str, *values: Any) -> TracedArray:
    """A function of the IR on symbols and numbers, converted and broadcast as numpy does."""
    shape = np.broadcast_shapes(*(getattr(value, "shape", ()) for value in values))
    if function == "where":
        branches = _converted(values[1:])
        expressions = [_as_bool(values[0]), *branches]
        return TracedArray(Apply(branches[0].dtype, function, tuple(expressions)), shape)
    function = _BITWISE.get(function, function)
    if function in _LOGIC:
        expressions = [_as_bool(value) for value in values]
        return TracedArray(Apply(np.dtype(bool), function, tuple(expressions)), shape)
    expressions = _converted(values)
    dtype = expressions[0].dtype
    if (function == "divide" or function in CALLS) and dtype.kind != "f":
        raise TypeError(f"{function} of {dtype}")
    result = np.dtype(bool) if function in _COMPARISONS or function == "isnan" else dtype
    return TracedArray(Apply(result, function, tuple(expressions)), shape)


def _converted(values: Sequence[Any]) -> list[Expression]:
    """The values in the dtype that numpy computes with. Python's numbers take that of the others."""
    strict = [value.dtype for value in values if isinstance(value, TracedArray | np.generic | np.ndarray)]
    weak = [value for value in values if not isinstance(value, TracedArray | np.generic | np.ndarray)]
    dtype = np.result_type(*strict, *weak)
    return [_literal_or_cast(value, dtype) for value in values]


def _literal_or_cast(value: Any, dtype: np.dtype[Any]) -> Expression:
    if isinstance(value, TracedArray):
        return _cast(value, dtype).expression
    number = np.asarray(value)
    if number.ndim or number.dtype.kind not in "iubf":
        raise TypeError(f"{value!r} is no number")
    return Literal(dtype, number.astype(dtype)[()])


def _as_bool(value: Any) -> Expression:
    expression = (
        value.expression if isinstance(value, TracedArray) else Literal(np.asarray(value).dtype, value)
    )
    if expression.dtype.kind != "b":
        raise TypeError(f"a condition of {expression.dtype}")
    return expression


def _cast(value: TracedArray, dtype: np.dtype[Any]) -> TracedArray:
    if value.dtype == dtype:
        return value
    return TracedArray(Apply(dtype, "cast", (value.expression,)), value.shape)
