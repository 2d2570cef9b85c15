"""Rows of tables for operations on quantised tensors, which numpy has no dtypes of.

Inputs are fed as plain integers, and cast bit by bit to the quantised dtypes that the operation takes; its outputs are
cast back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tfg.graphfmt import dtypes

from ...harness import Case

if TYPE_CHECKING:
    from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor


class Quantized(NamedTuple):
    """Integers of a quantised dtype; a node Const if ``constant``, as oneDNN wants filters to be."""

    dtype: str
    array: Any
    constant: bool = False


def q(dtype: str, values: Any, *, constant: bool = False) -> Quantized:
    """Returns an input of a quantised dtype: ``q("quint8", [1, 2])``."""
    return Quantized(dtype, np.asarray(values).astype(dtypes.BY_NAME[dtype].numpy), constant)


def random_q(dtype: str, *shape: int, seed: int = 0, constant: bool = False) -> Quantized:
    """Reproducible integers over all of a dtype's values."""
    info = np.iinfo(dtypes.BY_NAME[dtype].numpy)
    values = np.random.RandomState(seed).randint(info.min, info.max + 1, shape, np.int64)
    return q(dtype, values, constant=constant)


def quantized_case(
    op: str, *inputs: Any, tol: float | None = None, error: str | None = None, **attrs: Any
) -> Case:
    """A row whose inputs are arrays, ``Quantized``, or lists of either."""
    plain = tuple([_array(x) for x in v] if isinstance(v, list) else _array(v) for v in inputs)
    shown = {f"input{i}": v.dtype for i, v in enumerate(inputs) if isinstance(v, Quantized)}

    def build(g: GraphBuilder, *tensors: Any) -> list[Tensor]:
        entered = [
            [_enter(g, x, t) for x, t in zip(v, given)] if isinstance(v, list) else _enter(g, v, given)
            for v, given in zip(inputs, tensors)
        ]
        made = g.add_op(op, *entered, **attrs)
        return [_leave(g, t) for t in (made if isinstance(made, list | tuple) else [made])]

    return Case(op, plain, {**attrs, **shown}, tol, build=build, error=error)


def _array(value: Any) -> Any:
    return value.array if isinstance(value, Quantized) else np.asarray(value)


def _enter(g: GraphBuilder, value: Any, fed: Tensor) -> Tensor:
    if not isinstance(value, Quantized):
        return fed
    if value.constant:
        return g.constant(value.array, dtypes.BY_NAME[value.dtype])
    return g.Bitcast(fed, type=dtypes.BY_NAME[value.dtype])


def _leave(g: GraphBuilder, tensor: Tensor) -> Tensor:
    if not tensor.dtype.name.startswith("q"):
        return tensor
    return g.Bitcast(tensor, type=dtypes.of_numpy(tensor.dtype.numpy))
