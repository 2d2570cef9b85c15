"""ScatterNd and TensorScatterUpdate, Add, Sub, Min, Max: writing by indices into zeros, or into a copy."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import MAX_ELEMENTS, UNKNOWN, Shape, unknown_of_rank
from ...core.registry import Family
from ...core.types import NUMBERS
from ...numeric import scatter

if TYPE_CHECKING:
    from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
    from ...core.inference import ShapeContext

family = Family(__name__, host_inputs="shape")
op = family.op


def check_static(indices: Shape, updates: Shape, shape: Shape) -> Shape:
    """Returns the shape of the tensor written to, made more precise by the shape of the updates."""
    if indices.dims is None or updates.dims is None or shape.dims is None:
        return shape
    depth = indices.dims[-1]
    if depth is None:
        return shape
    outer = len(indices.dims) - 1
    if depth > len(shape.dims):
        raise invalid(f"index vectors of {depth} elements do not fit a tensor of shape {shape}")
    Shape(indices.dims[:-1]).merge(Shape(updates.dims[:outer]))
    inner = Shape(updates.dims[outer:]).merge(Shape(shape.dims[depth:]))
    return Shape((*shape.dims[:depth], *(inner.dims or ())))


def _scatter_nd_shape(c: ShapeContext) -> Shape:
    indices, updates = c.with_rank_at_least(0, 1), c.with_rank_at_least(1, 1)
    shape = c.as_shape(2)
    size = c.input(2)[0] if c.input(2).rank == 1 else None
    if shape.dims is None and size is not None:
        shape = unknown_of_rank(size)
    if shape.size == 0 and (indices.size or updates.size):
        raise invalid(f"indices and updates are given for an output of shape {shape}, which has no elements")
    return check_static(indices, updates, shape)


scatter_nd = op(
    "ScatterNd(indices: Tindices, updates: T, shape: Tindices; T: type, "
    'Tindices: type in {int16, int32, int64}, bad_indices_policy: string = "") -> (output: T)',
    shape=_scatter_nd_shape,
    allocates_output=True,
)


@scatter_nd.kernel
def _(xp: Any, indices: Any, updates: Any, shape: Any, *, bad_indices_policy: str) -> Any:
    if shape.ndim != 1:
        raise invalid(f"shape must be a vector, but has shape {Shape(shape.shape)}")
    dims: tuple[int, ...] = tuple(scatter.on_host(shape).tolist())
    if any(d < 0 for d in dims) or prod(dims) > MAX_ELEMENTS:
        raise invalid(f"shape {list(dims)} has a negative dimension or too many elements")
    if not prod(dims) and (indices.size or updates.size):
        raise invalid(
            f"indices of shape {Shape(indices.shape)} and updates of shape {Shape(updates.shape)} are given "
            f"for an output of shape {Shape(dims)}, which has no elements"
        )
    updates = xp.asarray(updates)
    scatter.check_nd_shapes(indices.shape, updates.shape, dims)
    output = scatter.zeros(xp, dims, updates.dtype)
    ignore = scatter.ignores_bad_indices(bad_indices_policy)
    scatter.scatter_nd(xp, output, indices, updates, "add", ignore=ignore)
    return output


@scatter_nd.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[None, Tensor, None]:
    return None, _gather_gradient(g, node, dy, node.inputs[0]), None


def _gather_gradient(g: GraphBuilder, node: NodeView, dy: Tensor, indices: Tensor) -> Tensor:
    if indices.dtype.name == "uint16":
        indices = g.Cast(indices, DstT="int32")
    return g.GatherNd(dy, indices, bad_indices_policy=node.attr("bad_indices_policy"))


def _tensor_scatter_shape(c: ShapeContext) -> Shape:
    tensor, indices, updates = c.input(0), c.input(1), c.input(2)
    for shape, name in ((tensor, "the tensor"), (indices, "indices")):
        if shape.rank == 0:
            raise invalid(f"{name} must be of rank 1 or more, not a scalar")
    return check_static(indices, updates, tensor) if tensor.dims is not None else UNKNOWN


def _declare_tensor_scatter(how: str, name: str, types: str, index_types: str, first: str = "tensor") -> Any:
    declared = op(
        f"{name}({first}: T, indices: Tindices, updates: T; T: type{types}, "
        f'Tindices: type in {{{index_types}}}, bad_indices_policy: string = "") -> (output: T)',
        shape=_tensor_scatter_shape,
        allocates_output=True,
    )

    @declared.kernel
    def _(xp: Any, tensor: Any, indices: Any, updates: Any, *, bad_indices_policy: str) -> Any:
        if not tensor.ndim:
            raise invalid("the tensor must be of rank 1 or more, not a scalar")
        scatter.check_nd_shapes(indices.shape, updates.shape, tensor.shape)
        if not tensor.size and indices.size:
            raise invalid(
                f"indices are given for a tensor of shape {Shape(tensor.shape)}, which has no elements"
            )
        output = tensor.copy()
        ignore = scatter.ignores_bad_indices(bad_indices_policy)
        scatter.scatter_nd(xp, output, indices, updates, how, ignore=ignore)
        return output

    return declared


update = _declare_tensor_scatter("update", "TensorScatterUpdate", "", "int16, int32, int64, uint16")
add = _declare_tensor_scatter("add", "TensorScatterAdd", "", "int32, int64")
sub = _declare_tensor_scatter("sub", "TensorScatterSub", "", "int32, int64")
minimum = _declare_tensor_scatter("min", "TensorScatterMin", "", "int32, int64")
maximum = _declare_tensor_scatter("max", "TensorScatterMax", "", "int32, int64")
non_aliasing_add = _declare_tensor_scatter(
    "add", "ScatterNdNonAliasingAdd", f" in {NUMBERS[:-1]}, bool}}", "int32, int64", "input"
)


@update.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, Tensor]:
    _, indices, updates = node.inputs
    if indices.dtype.name not in ("int32", "int64"):
        indices = g.Cast(indices, DstT="int32")
    policy = node.attr("bad_indices_policy")
    kept = g.TensorScatterUpdate(dy, indices, g.zeros_like(updates), bad_indices_policy=policy)
    return kept, None, _gather_gradient(g, node, dy, indices)


@add.gradient
@non_aliasing_add.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, Tensor]:
    return dy, None, _gather_gradient(g, node, dy, node.inputs[1])


@sub.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, Tensor]:
    return dy, None, -_gather_gradient(g, node, dy, node.inputs[1])


@minimum.gradient
@maximum.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> tuple[Tensor, None, Tensor]:
    """Shares the gradient of an element equally among all elements, of tensor and updates, that equal the extreme."""
    tensor, indices, updates = node.inputs
    output = node.outputs[0]
    from_tensor = g.cast(g.Equal(tensor, output), dy.dtype)
    from_updates = g.cast(g.Equal(updates, _gather_gradient(g, node, output, indices)), dy.dtype)
    shape = g.cast(g.shape_of(tensor), indices.dtype)
    policy = node.attr("bad_indices_policy")
    count = from_tensor + g.ScatterNd(indices, from_updates, shape, bad_indices_policy=policy)
    share = dy / count
    return share * from_tensor, None, _gather_gradient(g, node, share, indices) * from_updates
