"""Scatter and ScatterNd updates of rows, slices or elements of a variable, by reference and by resource handle
(scatter_op.cc, scatter_nd_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...core.types import INDEX, NUMBERS
from ...numeric import scatter
from ..array.scatter_nd_ops import check_static
from .state_ops import ADDABLE, referenced_shape, typed_variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext
    from .variables import Variable

family = Family(__name__, gpu=GpuSupport.STATE)
op = family.op

_FEW = "{half, bfloat16, float, double, int32, int64}"
_ORDERED = "float double int32 uint8 int16 int8 int64 bfloat16 uint16 half uint32 uint64"


def _write(target: Variable, write: Callable[..., None], xp: Any, *arguments: Any, **keywords: Any) -> None:
    """Calls a function that writes into the variable's value, with its lock held."""
    with target.lock:
        write(xp, target.writable(), *arguments, **keywords)


def _rows(variable: Shape, c: ShapeContext) -> Shape:
    """The variable's shape; checks the shapes of indices and updates against it."""
    indices, updates = c.input(1), c.input(2)
    if variable.rank == 0:
        raise invalid("scatter needs a variable of rank 1 or more, not a scalar")
    if variable.dims is not None and indices.dims is not None and updates.rank != 0:
        updates.merge(Shape((*indices.dims, *variable.dims[1:])))
    return variable


def _slices(variable: Shape, c: ShapeContext) -> Shape:
    indices = c.with_rank_at_least(1, 1)
    return check_static(indices, c.input(2), variable)


def _declare_rows(name: str, how: str, types: str, kinds: str) -> None:
    by_ref = op(
        f"Scatter{name}(ref: Ref(T), indices: Tindices, updates: T; T: type{types}, "
        f"Tindices: type in {INDEX}, use_locking: bool = {'true' if name == 'Update' else 'false'}) "
        "-> (output_ref: Ref(T))",
        shape=lambda c: _rows(c.input(0), c),
        differentiable=name in ("Update", "Min", "Max"),
        kernel_types={"T": kinds} if kinds else None,
    )
    resource_types = types.replace(_FEW, NUMBERS)
    by_handle = op(
        f"ResourceScatter{name}(resource: resource, indices: Tindices, updates: dtype; "
        f"dtype: type{resource_types}, Tindices: type in {INDEX})",
        shape=lambda c: _nothing(_rows(referenced_shape(c, c.attr("dtype")), c)),
        stateful=True,
        kernel_types={"dtype": kinds} if kinds else None,
    )

    @by_ref.kernel
    def _(xp: Any, ref: Variable, indices: Any, updates: Any) -> Variable:
        _write(ref, scatter.scatter_rows, xp, indices, updates, how)
        return ref

    @by_handle.kernel
    def _(xp: Any, resource: Any, indices: Any, updates: Any, *, dtype: DType) -> list[Any]:
        _write(typed_variable(resource, dtype), scatter.scatter_rows, xp, indices, updates, how)
        return []


def _nothing(_: Shape) -> list[Shape]:
    return []


def _declare_slices(name: str, how: str, types: str, kinds: str) -> None:
    by_ref = op(
        f"ScatterNd{name}(ref: Ref(T), indices: Tindices, updates: T; T: type{types}, "
        f"Tindices: type in {INDEX}, use_locking: bool = {'true' if name == 'Update' else 'false'}, "
        'bad_indices_policy: string = "") -> (output_ref: Ref(T))',
        shape=lambda c: _slices(c.input(0), c),
        differentiable=name in ("Min", "Max"),
        kernel_types={"T": kinds} if kinds else None,
    )
    by_handle = op(
        f"ResourceScatterNd{name}(ref: resource, indices: Tindices, updates: T; T: type, "
        f'Tindices: type in {INDEX}, use_locking: bool = true, bad_indices_policy: string = "")',
        shape=lambda c: _nothing(_slices(referenced_shape(c, c.attr("T")), c)),
        stateful=True,
        kernel_types={"T": kinds} if kinds else None,
    )

    @by_ref.kernel
    def _(xp: Any, ref: Variable, indices: Any, updates: Any, *, bad_indices_policy: str) -> Variable:
        ignore = scatter.ignores_bad_indices(bad_indices_policy)
        _write(ref, scatter.scatter_nd, xp, indices, updates, how, ignore=ignore)
        return ref

    @by_handle.kernel
    def _(xp: Any, ref: Any, indices: Any, updates: Any, *, T: DType, bad_indices_policy: str) -> list[Any]:
        ignore = scatter.ignores_bad_indices(bad_indices_policy)
        _write(typed_variable(ref, T), scatter.scatter_nd, xp, indices, updates, how, ignore=ignore)
        return []


for _name in ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max"):
    _how = _name.lower()
    _is_order = _name in ("Min", "Max")
    _types = "" if _name == "Update" else f" in {_FEW if _is_order else NUMBERS}"
    _kinds = "" if _name == "Update" else _ORDERED if _is_order else ADDABLE
    _declare_rows(_name, _how, _types, _kinds)
    if _name not in ("Mul", "Div"):
        _declare_slices(_name, _how, "" if _name == "Update" else f" in {NUMBERS}", _kinds)
