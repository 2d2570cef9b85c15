"""ConditionalAccumulator and SparseConditionalAccumulator with what is done to them (conditional_accumulator_op.cc and
its relatives in TensorFlow). A handle is the accumulator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from .accumulators import Accumulator, DenseAccumulator, SparseAccumulator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .attempts import Done

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_NUMBER = (
    "dtype: type in {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, "
    "qint16, quint16, uint16, complex128, half, uint32, uint64}"
)
_FLOATS = {"dtype": "half float double"}
_ATTRS = (
    f'{_NUMBER}, shape: shape, container: string = "", shared_name: string = "", '
    "reduction_type: string in {'MEAN', 'SUM'} = \"MEAN\""
)


def _pair(c: ShapeContext) -> Shape:
    """The shape of a handle: container and name."""
    return Shape((2,))


def _maker(kind: type[Accumulator]) -> Callable[..., Any]:
    """Returns the kernel that finds or makes an accumulator of this class."""

    def make(
        ctx: Any, xp: Any, *, node_name: str, dtype: DType, shape: Shape, container: str, shared_name: str,
        reduction_type: str,
    ) -> Accumulator:  # fmt: skip
        name = shared_name or node_name
        found = ctx.resource(container, name, kind, lambda: kind(name, dtype, shape, reduction_type))
        for what, has, asked in (
            ("dtype", found.dtype, dtype),
            ("shape", found.shape, shape),
            ("reduction type", found.reduction, reduction_type),
        ):
            if has != asked:
                raise invalid(f"Shared {found.op} {name!r} has {what} {has}, but {what} {asked} is requested")
        return found

    return make


def _accumulator(handle: Any, kind: type[Accumulator], dtype: DType) -> Any:
    """Returns the accumulator of a handle. Raises INVALID_ARGUMENT if it is none, or of another dtype."""
    if not isinstance(handle, kind):
        raise invalid(f"the handle must be of a {kind.op}, but is of a {type(handle).__name__}")
    if handle.dtype is not dtype:
        raise invalid(f"Expected gradient of type {handle.dtype}, got {dtype}")
    return handle


def _scalar(value: Any, what: str) -> int:
    if np.ndim(value):
        raise invalid(f"Argument {what} must be scalar: {Shape(tuple(value.shape))}")
    return int(value)


def _apply(xp: Any, handle: Any, local_step: Any, gradient: Any, *, dtype: DType) -> Any:
    found = _accumulator(handle, DenseAccumulator, dtype)
    found.apply(_scalar(local_step, "local_step"), lambda: found.add(np.asarray(gradient)))
    return []


def _apply_sparse(
    xp: Any, handle: Any, local_step: Any, indices: Any, values: Any, shape: Any, *, dtype: DType,
    has_known_shape: bool,
) -> Any:  # fmt: skip
    found = _accumulator(handle, SparseAccumulator, dtype)
    dense = shape if has_known_shape else None
    found.apply(
        _scalar(local_step, "local_step"),
        lambda: found.add(np.asarray(indices), np.asarray(values), dense),
    )
    return []


def _take(ctx: Any, xp: Any, handle: Any, num_required: Any, *, dtype: DType, done: Done) -> Any:
    found = _accumulator(handle, DenseAccumulator, dtype)

    def one(result: Any) -> None:
        done(result[0] if isinstance(result, list) else result)

    return found.take(_scalar(num_required, "num_required"), one)


def _take_sparse(ctx: Any, xp: Any, handle: Any, num_required: Any, *, dtype: DType, done: Done) -> Any:
    found = _accumulator(handle, SparseAccumulator, dtype)
    return found.take(_scalar(num_required, "num_required"), done)


def _any_accumulator(handle: Any) -> Accumulator:
    if not isinstance(handle, Accumulator):
        raise invalid(f"the handle must be of an accumulator, but is of a {type(handle).__name__}")
    return handle


def _count(xp: Any, handle: Any) -> Any:
    return np.int32(_any_accumulator(handle).count)


def _set_global_step(xp: Any, handle: Any, new_global_step: Any) -> Any:
    _any_accumulator(handle).set_global_step(_scalar(new_global_step, "new_global_step"))
    return []


def _scalar_step(c: ShapeContext) -> Sequence[Shape]:
    c.with_rank(1, 0)
    return []


def _average(c: ShapeContext) -> Shape:
    c.with_rank(1, 0)
    return UNKNOWN


def _sparse_average(c: ShapeContext) -> Sequence[Shape]:
    c.with_rank(1, 0)
    return [Shape((None,)), UNKNOWN, Shape((None,))]


def _declare(prefix: str, handle: str, *, stateful: bool) -> None:
    """Declares what is done to dense accumulators of one kind of handle."""
    changes: dict[str, Any] = {"stateful": stateful, "state": StateAccess.CHANGES}
    op(
        f"{prefix}AccumulatorApplyGradient(handle: {handle}, local_step: int64, gradient: dtype; {_NUMBER})",
        shape=_scalar_step,
        kernel_types=_FLOATS,
        **changes,
    ).kernel(_apply)
    op(
        f"{prefix}AccumulatorTakeGradient(handle: {handle}, num_required: int32; {_NUMBER}) -> (average: dtype)",
        shape=_average,
        kernel_types=_FLOATS,
        asynchronous=True,
        **changes,
    ).kernel(_take)
    op(
        f"{prefix}AccumulatorSetGlobalStep(handle: {handle}, new_global_step: int64)",
        shape=_scalar_step,
        **changes,
    ).kernel(_set_global_step)
    op(
        f"{prefix}AccumulatorNumAccumulated(handle: {handle}) -> (num_accumulated: int32)",
        shape=shapes.scalar,
        stateful=stateful,
        state=StateAccess.READS,
    ).kernel(_count)


for _name, _handle, _kind in (
    ("ConditionalAccumulator", "Ref(string)", DenseAccumulator),
    ("ResourceConditionalAccumulator", "resource", DenseAccumulator),
    ("SparseConditionalAccumulator", "Ref(string)", SparseAccumulator),
):
    op(
        f"{_name}(; {_ATTRS}) -> (handle: {_handle})",
        shape=_pair,
        kernel_types=_FLOATS,
        stateful=True,
        state=StateAccess.READS,
    ).kernel(_maker(_kind))

_declare("", "Ref(string)", stateful=False)
_declare("Resource", "resource", stateful=True)
op(
    "SparseAccumulatorApplyGradient(handle: Ref(string), local_step: int64, gradient_indices: int64, "
    f"gradient_values: dtype, gradient_shape: int64; {_NUMBER}, has_known_shape: bool)",
    shape=_scalar_step,
    kernel_types=_FLOATS,
    state=StateAccess.CHANGES,
).kernel(_apply_sparse)
op(
    f"SparseAccumulatorTakeGradient(handle: Ref(string), num_required: int32; {_NUMBER}) -> (indices: int64, "
    "values: dtype, shape: int64)",
    shape=_sparse_average,
    kernel_types=_FLOATS,
    asynchronous=True,
    state=StateAccess.CHANGES,
).kernel(_take_sparse)
