"""Declarations and numerical helpers that the families of elementwise operations share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape
from ..core import shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...graphfmt.shapes import Dim
    from ..core.inference import ShapeContext
    from ..core.registry import Family, Op
    from ..core.traits import GpuSupport


def unary(
    family: Family,
    name: str,
    allowed: str,
    ufunc: str = "",
    operator: str = "",
    *,
    differentiable: bool = True,
    gpu: GpuSupport | None = None,
) -> Op:
    """Declares an operation ``name(x: T) -> (y: T)``."""
    return family.op(
        f"{name}(x: T; T: type in {allowed}) -> (y: T)",
        shape=shapes.like_input,
        differentiable=differentiable,
        allocates_output=True,
        ufunc=ufunc,
        operator=operator,
        gpu=gpu,
    )


def binary(
    family: Family,
    name: str,
    allowed: str,
    ufunc: str = "",
    operator: str = "",
    *,
    arguments: str = "x: T, y: T",
    commutative: bool = False,
    differentiable: bool = True,
    kernel_types: str = "",
    gpu: GpuSupport | None = None,
) -> Op:
    """Declares an operation ``name(x: T, y: T) -> (z: T)`` whose inputs broadcast."""
    return family.op(
        f"{name}({arguments}; T: type in {allowed}) -> (z: T)",
        shape=shapes.broadcast_inputs,
        differentiable=differentiable,
        commutative=commutative,
        allocates_output=True,
        ufunc=ufunc,
        operator=operator,
        kernel_types={"T": kernel_types} if kernel_types else None,
        gpu=gpu,
    )


def unary_gradient(family: Family, name: str, allowed: str) -> Op:
    """Declares an operation ``name(y: T, dy: T) -> (z: T)`` of two inputs of one size, which do not broadcast."""
    return family.op(
        f"{name}(y: T, dy: T; T: type in {allowed}) -> (z: T)", shape=shapes.like_input, allocates_output=True
    )


def like_first(y: Any, dy: Any) -> Any:
    """Returns dy in the shape of y. Raises INVALID_ARGUMENT unless they have the same number of elements."""
    if y.shape == dy.shape:
        return dy
    if y.size != dy.size:
        raise invalid(f"inputs must have one size, but have shapes {Shape(y.shape)} and {Shape(dy.shape)}")
    return dy.reshape(y.shape)


def known_elements(function: Callable[[int, int], Dim]) -> Callable[[ShapeContext], Any]:
    """Makes a shape-inference rule: the elements of a small integer result, from those of both inputs."""

    def elements(c: ShapeContext) -> Any:
        x, y = c.elements(0), c.elements(1)
        if x is None or y is None:
            return None
        if len(x) != len(y):
            width = max(len(x), len(y))
            x, y = (x * width if len(x) == 1 else x), (y * width if len(y) == 1 else y)
        return tuple(None if p is None or q is None else function(p, q) for p, q in zip(x, y))

    return elements


def is_narrow(x: Any) -> bool:
    """True if x is of a 16-bit float dtype (numpy gives bfloat16 a kind of its own)."""
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


@overload
def in_float(xp: Any, function: Callable[[Any], Any], x: Any, /) -> Any: ...


@overload
def in_float(xp: Any, function: Callable[[Any, Any], Any], x: Any, y: Any, /) -> Any: ...


def in_float(xp: Any, function: Callable[..., Any], *inputs: Any) -> Any:
    """Applies a function of several steps, with 16-bit floats computed in 32 bits and rounded once."""
    if not is_narrow(inputs[0]):
        return function(*inputs)
    dtype = inputs[0].dtype
    return function(*(x.astype(xp.float32) for x in inputs)).astype(dtype)


def special_functions(xp: Any) -> Any:
    """Returns scipy.special or CuPy's counterpart.

    Imported here because the import takes longer than most graphs run.
    """
    if xp.__name__ == "numpy":
        import scipy.special as found

        return found
    return import_module(f"{xp.__name__}x.scipy.special")


# From this many elements on, masks are faster than branches: an unpredictable condition makes numpy's where ten
# times as slow as a predictable one.
_MASK_FROM = 8192


def where(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    """Computes xp.where of broadcasting inputs, t and e of one dtype."""
    if condition.size < _MASK_FROM or xp.__name__ != "numpy" or t.dtype.kind == "O" or t.dtype.itemsize > 8:
        return xp.where(condition, t, e)
    bits = xp.dtype(f"i{t.dtype.itemsize}")
    t, e, dtype = xp.asarray(t).view(bits), xp.asarray(e).view(bits), t.dtype
    chosen = (t ^ e) & xp.negative(condition.view(xp.int8)).astype(bits, copy=False)
    return xp.bitwise_xor(chosen, e, out=chosen).view(dtype)


def zeros_where(xp: Any, condition: Any, x: Any) -> Any:
    """Writes zeros into x where the condition, which broadcasts to it, holds. x must be newly allocated."""
    if x.ndim == 0:
        return xp.where(condition, x.dtype.type(0), x)
    if x.size < _MASK_FROM or xp.__name__ != "numpy" or x.dtype.itemsize > 8:
        xp.copyto(x, x.dtype.type(0), where=condition)
        return x
    bits = xp.dtype(f"i{x.dtype.itemsize}")
    kept = (xp.asarray(condition).view(xp.int8) - xp.int8(1)).astype(bits, copy=False)
    xp.bitwise_and(x.view(bits), kept, out=x.view(bits))
    return x
