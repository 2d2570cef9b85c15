"""Attributes of pooling operations, the windows they describe, and the shapes of outputs.

Shared by max and average pooling in two and three spatial dimensions. As in TensorFlow's pooling_ops_common.cc, windows
over the batch are not implemented, and those over channels for MaxPool alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...numeric.windows import (
    Window,
    WindowSpec,
    fit_window,
    output_dims,
    spatial_pads,
    split_spatial,
    unimplemented,
)

if TYPE_CHECKING:
    from ...builder.graph_builder import NodeView
    from ...core.inference import ShapeContext

SIZES_2D = "ksize: list(int) >= 4, strides: list(int) >= 4"
VALID_SAME = "padding: string in {'SAME', 'VALID'}"
FORMAT_2D = "data_format: string in {'NHWC', 'NCHW'} = \"NHWC\""
ATTRS_3D = (
    f"ksize: list(int) >= 5, strides: list(int) >= 5, {VALID_SAME}, "
    "data_format: string in {'NDHWC', 'NCDHW'} = \"NDHWC\""
)


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """The attributes of a pooling operation: the window over spatial axes, and that over channels."""

    spec: WindowSpec
    size: tuple[int, ...]
    depth: int
    depth_stride: int


@lru_cache(256)
def pool_spec(
    rank: int,
    data_format: str,
    ksize: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str,
    explicit_paddings: tuple[int, ...] = (),
) -> PoolSpec:
    """Returns the checked attributes of pooling tensors of that rank. Raises INVALID_ARGUMENT or UNIMPLEMENTED."""
    if data_format == "NCHW_VECT_C":
        raise unimplemented("pooling is not implemented for data format NCHW_VECT_C")
    channels_last = data_format.endswith("C")
    for name, values in (("ksize", ksize), ("strides", strides)):
        if len(values) != rank:
            raise invalid(f"{name} must have {rank} elements, but are {list(values)}")
        if min(values) <= 0 or max(values) >= 2**31:
            raise invalid(f"{name} must be positive, but are {list(values)}")
    if ksize[0] != 1 or strides[0] != 1:
        raise unimplemented(
            f"pooling over the batch is not implemented, but ksize is {list(ksize)}, strides {list(strides)}"
        )
    size, _, depth = split_spatial(ksize, channels_last)
    steps, _, depth_stride = split_spatial(strides, channels_last)
    pads = spatial_pads(rank, channels_last, padding, explicit_paddings)
    if any(pad >= width for width, sides in zip(size, pads) for pad in sides):
        raise invalid(
            f"explicit_paddings {list(explicit_paddings)} need to be smaller than the window, which is {list(ksize)}"
        )
    return PoolSpec(
        WindowSpec(channels_last, steps, (1,) * len(steps), padding, pads), size, depth, depth_stride
    )


def spec_from_attrs(attrs: Any, rank: int) -> PoolSpec:
    """Returns the window that the attributes of a node state."""
    return pool_spec(
        rank, attrs.get("data_format", "NHWC"), attrs["ksize"], attrs["strides"], attrs["padding"],
        attrs.get("explicit_paddings", ()),
    )  # fmt: skip


def spec_from_inputs(ksize: Any, strides: Any, data_format: str, padding: str) -> PoolSpec:
    """Returns the window that the values of the inputs ksize and strides state. Raises INVALID_ARGUMENT."""
    if ksize.shape != (4,) or strides.shape != (4,):
        raise invalid(
            f"ksize and strides must have 4 elements, but have shapes {ksize.shape} and {strides.shape}"
        )
    return pool_spec(4, data_format, tuple(ksize.tolist()), tuple(strides.tolist()), padding)


def output_shape(pool: PoolSpec, x: Shape) -> Shape:
    """Returns the static shape of outputs for inputs of shape x."""
    assert x.dims is not None
    spec = pool.spec
    channels = x[spec.channel_axis]
    if pool.depth > 1 and channels is not None:
        channels = (
            -(-channels // pool.depth_stride)
            if spec.padding == "SAME"
            else ((channels - pool.depth) // pool.depth_stride + 1)
        )
    return Shape(spec.place(x[0], output_dims(spec, x.dims[spec.spatial], pool.size), channels))


def infer_output_shape(c: ShapeContext, rank: int, at: int = 0) -> Shape:
    """Returns the static shape of outputs, for input ``at`` of the node."""
    pool = spec_from_attrs(c.attrs, rank)
    return output_shape(pool, c.with_rank(at, rank))


def static_spec_from_inputs(c: ShapeContext, first: int) -> PoolSpec | None:
    """Returns the window that inputs ``first`` and ``first + 1`` state, None where they are unknown."""
    ksize, strides = c.elements(first), c.elements(first + 1)
    for key in (first, first + 1):
        if c.with_rank(key, 1)[0] not in (None, 4):
            raise invalid(f"ksize and strides must have 4 elements, but have shape {c.input(key)}")
    if ksize is None or strides is None or None in ksize or None in strides:
        return None
    return pool_spec(4, c.attr("data_format"), ksize, strides, c.attr("padding"))  # type: ignore[arg-type]


def fit_pool_window(pool: PoolSpec, x: tuple[int, ...], what: str = "input") -> Window:
    """Fits the spatial window over an input of shape x. Raises INVALID_ARGUMENT."""
    if len(x) != pool.spec.rank:
        raise invalid(f"{what} must be of rank {pool.spec.rank}, but has shape {x}")
    return fit_window(pool.spec, x[pool.spec.spatial], pool.size)


def fit_spatial_window(pool: PoolSpec, x: tuple[int, ...]) -> Window:
    """Fits the window as ``fit_pool_window`` does. Raises UNIMPLEMENTED for windows over channels."""
    if pool.depth != 1 or pool.depth_stride != 1:
        raise unimplemented(f"pooling over {pool.depth} channels is not implemented here")
    return fit_pool_window(pool, x)


def check_output_shape(
    pool: PoolSpec, win: Window, x: tuple[int, ...], y: tuple[int, ...], what: str
) -> None:
    """Raises INVALID_ARGUMENT where y is not the shape of outputs for inputs of shape x."""
    expected = pool.spec.place(x[0], win.outputs, x[pool.spec.channel_axis])
    if y != expected:
        raise invalid(f"{what} has shape {y}, but should have shape {expected}")


def shared_attrs(node: NodeView, *left_out: str) -> dict[str, Any]:
    """Returns the attributes that a pooling operation shares with its gradients."""
    names = {"ksize", "strides", "padding", "explicit_paddings", "data_format"} - set(left_out)
    return {name: node.attr(name) for name in sorted(names) if node.has_attr(name)}
