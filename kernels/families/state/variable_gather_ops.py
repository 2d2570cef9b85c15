"""ResourceGather and ResourceGatherNd: reads of rows, slices or elements of a resource variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ...builder.graph_builder import GraphBuilder, IndexedSlices, NodeView, Tensor
from ...core.facts import Fact, constant_fact
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...core.types import INDEX
from ..array.gather_ops import gather_nd, gather_slices, gather_v2
from .state_ops import referenced_shape, typed_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.STATE)
op = family.op


def _dereferenced(c: ShapeContext, more: Sequence[Fact] = ()) -> ShapeContext:
    """The context with the fact of the variable's value in place of its handle's, and further inputs."""
    dtype: DType = c.attr("dtype")
    return c._replace(facts=[Fact(dtype, referenced_shape(c, dtype)), *c.facts[1:], *more])


def _gather_shape(c: ShapeContext) -> Shape:
    axis = constant_fact(np.array(c.attr("batch_dims"), np.int64), dtypes.int64)
    return gather_v2.shape(_dereferenced(c, [axis]))


resource_gather = op(
    "ResourceGather(resource: resource, indices: Tindices; batch_dims: int = 0, "
    f"validate_indices: bool = true, dtype: type, Tindices: type in {INDEX}) -> (output: dtype)",
    shape=_gather_shape,
    stateful=True,
    state=StateAccess.READS,
)


@resource_gather.kernel
def _(xp: Any, resource: Any, indices: Any, *, dtype: DType, batch_dims: int) -> Any:
    function = gather_v2.kernel_function
    assert function is not None
    params = xp.asarray(typed_variable(resource, dtype).read())
    return function(xp, params, indices, np.array(batch_dims, np.int32), batch_dims=batch_dims)


@resource_gather.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | IndexedSlices, None]:
    handle, indices = node.inputs
    batch_dims: int = node.attr("batch_dims")
    shape = g.VariableShape(handle)
    row = g.StridedSlice(shape, [batch_dims + 1], [0], [1], end_mask=1)
    values = g.Reshape(dy, g.ConcatV2([g.constant([-1]), row], 0))
    if batch_dims == 0:
        return IndexedSlices(values, g.Reshape(indices, [-1]), shape), None
    # The batches are concatenated, so that row i of batch b is row b * rows + i.
    batch = g.Prod(g.StridedSlice(shape, [0], [batch_dims], [1]), [0])
    rows = g.StridedSlice(shape, [batch_dims], [batch_dims + 1], [1], shrink_axis_mask=1)
    offsets = g.cast(g.ExpandDims(g.Range(0, batch, 1) * rows, 1), indices.dtype)
    at = g.Reshape(indices, g.Pack([batch, g.constant(-1)])) + offsets
    table = g.UnsortedSegmentSum(values, g.Reshape(at, [-1]), batch * rows)
    return g.Reshape(table, shape), None


resource_gather_nd = op(
    f"ResourceGatherNd(resource: resource, indices: Tindices; dtype: type, Tindices: type in {INDEX}) "
    "-> (output: dtype)",
    shape=lambda c: gather_nd.shape(_dereferenced(c)),
    stateful=True,
    state=StateAccess.READS,
)


@resource_gather_nd.kernel
def _(xp: Any, resource: Any, indices: Any, *, dtype: DType) -> Any:
    return gather_slices(xp, typed_variable(resource, dtype).read(), indices)


@resource_gather_nd.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor | IndexedSlices, None]:
    handle, indices = node.inputs
    if indices.shape.rank == 2 and indices.shape[-1] == 1:
        return IndexedSlices(dy, g.Reshape(indices, [-1]), g.VariableShape(handle)), None
    if indices.shape.rank == 1:
        indices, dy = g.ExpandDims(indices, 0), g.ExpandDims(dy, 0)
    shape = g.VariableShape(handle, out_type=indices.dtype)
    return g.ScatterNd(indices, dy, shape), None
