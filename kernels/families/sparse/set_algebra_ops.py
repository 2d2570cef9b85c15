"""Union, intersection and difference of sets, which are the rows of the last dimension of dense or sparse tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.int_arguments import check_dims

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_TYPES = "T: type in {int8, int16, int32, int64, uint8, uint16, string}"
_ATTRS = f"set_operation: string, validate_indices: bool = true, {_TYPES}"
_RESULTS = "(result_indices: int64, result_values: T, result_shape: int64)"

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "a-b": np.setdiff1d,
    "b-a": lambda a, b: np.setdiff1d(b, a),
    "intersection": np.intersect1d,
    "union": np.union1d,
}


class _GroupedSets:
    """Members of sets: values, the number of the group (row) that each belongs to, and the shape of the groups."""

    def __init__(self, groups: Any, values: Any, shape: tuple[int, ...]) -> None:
        self.groups = groups
        self.values = values
        self.shape = shape


def _from_dense(values: Any) -> _GroupedSets:
    if values.ndim < 2:
        raise invalid(f"sets must be of rank 2 or more, but have shape {Shape(values.shape)}")
    shape = values.shape[:-1]
    return _GroupedSets(
        np.repeat(np.arange(np.prod(shape, dtype=np.int64)), values.shape[-1]), values.ravel(), shape
    )


def _from_sparse(indices: Any, values: Any, shape: Any, validate: bool) -> _GroupedSets:
    dims = tuple(shape.tolist()) if shape.ndim == 1 else ()
    if len(dims) < 2:
        raise invalid(f"sets must be of rank 2 or more, but their shape is {shape.tolist()}")
    check_dims(dims)
    if indices.ndim != 2 or values.ndim != 1 or indices.shape != (values.shape[0], len(dims)):
        raise invalid(
            f"indices of shape {Shape(indices.shape)} do not fit values of shape {Shape(values.shape)} "
            f"in sets of shape {list(dims)}"
        )
    if ((indices < 0) | (indices >= shape)).any():
        raise invalid(f"an index of the sets lies outside of their shape {list(dims)}")
    if validate and len(indices) > 1:
        flat = np.ravel_multi_index(indices.T, dims)
        if (np.diff(flat) <= 0).any():
            raise invalid("the indices of the sets are repeated or out of order")
    groups = np.ravel_multi_index(indices[:, :-1].T, dims[:-1]) if len(indices) else np.zeros(0, np.int64)
    return _GroupedSets(groups, values, dims[:-1])


def _combine(a: _GroupedSets, b: _GroupedSets, operation: str) -> tuple[Any, Any, Any]:
    """Returns the combined sets of all groups, sorted, as a sparse tensor."""
    function = _OPERATIONS.get(operation.lower())
    if function is None:
        raise invalid(f"set_operation must be one of {', '.join(_OPERATIONS)}, but is {operation!r}")
    if a.shape != b.shape:
        raise invalid(
            f"sets must be in groups of one shape, but are in groups of {list(a.shape)} and {list(b.shape)}"
        )
    known, codes = np.unique(np.concatenate([a.values, b.values]), return_inverse=True)
    size = max(len(known), 1)
    pairs = np.concatenate([a.groups, b.groups]) * size + codes
    result = function(pairs[: len(a.values)], pairs[len(a.values) :])
    groups, members = np.divmod(result, size)
    places, largest = _positions_in_group(groups)
    where = np.stack([*np.unravel_index(groups, a.shape), places], 1).astype(np.int64)
    return where, known[members], np.array([*a.shape, largest], np.int64)


def _positions_in_group(groups: Any) -> tuple[Any, int]:
    """Returns the position of each member in its group, and the size of the largest group."""
    _, first, counts = np.unique(groups, return_index=True, return_counts=True)
    places = np.arange(len(groups)) - np.repeat(first, counts)
    return places, int(counts.max(initial=0))


def _result_shapes(rank: int | None) -> list[Shape]:
    return [Shape((None, rank)), Shape((None,)), Shape((rank,))]


def _dense_shape(c: ShapeContext) -> list[Shape]:
    one, two = (c.with_rank_at_least(name, 2).dims for name in ("set1", "set2"))
    if one is None or two is None:
        known = one or two
        return _result_shapes(None if known is None else len(known))
    Shape(one[:-1]).merge(Shape(two[:-1]))
    return _result_shapes(len(one))


dense_to_dense = op(
    f"DenseToDenseSetOperation(set1: T, set2: T; {_ATTRS}) -> {_RESULTS}",
    shape=_dense_shape,
    differentiable=False,
    allocates_output=True,
)


@dense_to_dense.kernel
def _(xp: Any, set1: Any, set2: Any, *, set_operation: str) -> Any:
    return _combine(_from_dense(set1), _from_dense(set2), set_operation)


def _sparse_rank(c: ShapeContext, prefix: str) -> int | None:
    """Returns the rank on which the components of a sparse tensor agree."""
    shape = c.with_rank(f"{prefix}_shape", 1)
    indices = c.with_rank(f"{prefix}_indices", 2)
    c.with_rank(f"{prefix}_values", 1)
    return Shape((shape[0],)).merge(Shape((indices[1],)))[0]


def _mixed_shape(c: ShapeContext) -> list[Shape]:
    set1 = c.with_rank_at_least("set1", 2)
    return _result_shapes(Shape((set1.rank,)).merge(Shape((_sparse_rank(c, "set2"),)))[0])


dense_to_sparse = op(
    "DenseToSparseSetOperation(set1: T, set2_indices: int64, set2_values: T, set2_shape: int64; "
    f"{_ATTRS}) -> {_RESULTS}",
    shape=_mixed_shape,
    differentiable=False,
    allocates_output=True,
)


@dense_to_sparse.kernel
def _(
    xp: Any, set1: Any, indices: Any, values: Any, shape: Any, *, set_operation: str, validate_indices: bool
) -> Any:
    return _combine(_from_dense(set1), _from_sparse(indices, values, shape, validate_indices), set_operation)


def _sparse_shape(c: ShapeContext) -> list[Shape]:
    ranks = [_sparse_rank(c, name) for name in ("set1", "set2")]
    return _result_shapes(Shape((ranks[0],)).merge(Shape((ranks[1],)))[0])


sparse_to_sparse = op(
    "SparseToSparseSetOperation(set1_indices: int64, set1_values: T, set1_shape: int64, "
    f"set2_indices: int64, set2_values: T, set2_shape: int64; {_ATTRS}) -> {_RESULTS}",
    shape=_sparse_shape,
    differentiable=False,
    allocates_output=True,
)


@sparse_to_sparse.kernel
def _(
    xp: Any,
    indices1: Any,
    values1: Any,
    shape1: Any,
    indices2: Any,
    values2: Any,
    shape2: Any,
    *,
    set_operation: str,
    validate_indices: bool,
) -> Any:
    first = _from_sparse(indices1, values1, shape1, validate_indices)
    return _combine(first, _from_sparse(indices2, values2, shape2, validate_indices), set_operation)


set_size = op(
    "SetSize(set_indices: int64, set_values: T, set_shape: int64; validate_indices: bool = true, "
    f"{_TYPES}) -> (size: int32)",
    shape=lambda c: UNKNOWN,
    differentiable=False,
    allocates_output=True,
)


@set_size.kernel
def _(xp: Any, indices: Any, values: Any, shape: Any, *, validate_indices: bool) -> Any:
    sets = _from_sparse(indices, values, shape, validate_indices)
    codes = np.unique(values, return_inverse=True)[1]
    groups = np.unique(np.stack([sets.groups, codes]), axis=1)[0]
    total = int(np.prod(sets.shape, dtype=np.int64))
    return np.bincount(groups, minlength=total).astype(np.int32).reshape(sets.shape)
