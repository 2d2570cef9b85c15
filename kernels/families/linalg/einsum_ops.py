"""Einsum and its gradient, which consists of Einsum nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Dim, Shape, merge_dim
from ...builder.broadcast_gradients import conj
from ...builder.graph_builder import GraphBuilder, NodeView, Tensor
from ...core.registry import Family
from .einsum import ELLIPSIS, Label, einsum, expand, expand_output, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...core.binding import Binding
    from ...core.inference import ShapeContext

family = Family(__name__)
op = family.op


def _einsum_shape(c: ShapeContext) -> Shape:
    equation, shapes = parse(c.attr("equation")), c.inputs()
    if len(shapes) != len(equation.inputs):
        raise invalid(
            f"einsum equation {equation.text!r} is for {len(equation.inputs)} inputs, not {len(shapes)}"
        )
    sizes: dict[Label, Dim] = {}
    known: list[list[Label]] = []
    for labels, shape in zip(equation.inputs, shapes):
        if shape.dims is None:
            if ELLIPSIS in labels:
                return UNKNOWN
            known.append(list(labels))
            continue
        known.append(expand(labels, len(shape.dims), equation.text))
        for label, size in zip(known[-1], shape.dims):
            sizes[label] = _merge_labels(label, sizes[label], size) if label in sizes else size
    return Shape(tuple(sizes.get(label) for label in expand_output(equation, known)))


def _merge_labels(label: Label, one: Dim, other: Dim) -> Dim:
    if isinstance(label, str):
        return merge_dim(one, other)
    if one == 1:
        return other
    if other == 1 or other is None:
        return one
    return merge_dim(one, other)


einsum_op = op(
    "Einsum(inputs: N*T; equation: string, N: int >= 1, T: type) -> (output: T)",
    shape=_einsum_shape,
    kernel_types={"T": "bfloat16 half float double complex64 complex128 int32 int64"},
)


@einsum_op.bind
def _(b: Binding) -> Any:
    equation, xp = parse(b.attrs["equation"]), b.xp

    def call(*inputs: Any) -> Any:
        return einsum(xp, equation, inputs)

    return call


@einsum_op.gradient
def _(g: GraphBuilder, node: NodeView, dy: Tensor) -> list[Tensor]:
    """Computes each input's gradient as the einsum of dy with the other input.

    Axes that were summed are then broadcast, and diagonals put back in place.
    """
    equation = parse(node.attr("equation"))
    parts = [*equation.inputs, equation.output]
    if ELLIPSIS not in equation.output:
        # Then the ellipsis covers no axes.
        parts = [tuple(label for label in part if label != ELLIPSIS) for part in parts]
    *inputs, output = parts
    others = [(conj(g, x), part) for x, part in zip(node.inputs, inputs)]
    if len(inputs) == 1:
        return [_gradient(g, node.inputs[0], inputs[0], [(dy, output)])]
    return [
        _gradient(g, x, part, [(dy, output), others[1 - position]])
        for position, (x, part) in enumerate(zip(node.inputs, inputs))
    ]


# A tensor, and the labels of its axes.
Labelled = tuple[Tensor, tuple[str, ...]]


def _einsum(g: GraphBuilder, operands: Sequence[Labelled], output: Sequence[str]) -> Tensor:
    texts = ["".join(labels) for _, labels in operands]
    equation = f"{','.join(texts)}->{''.join(output)}"
    return g.Einsum([tensor for tensor, _ in operands], equation=equation)


def _gradient(g: GraphBuilder, x: Tensor, labels: tuple[str, ...], operands: Sequence[Labelled]) -> Tensor:
    available = {label for _, part in operands for label in part}
    plain = dict.fromkeys(label for label in labels if label != ELLIPSIS)
    present = tuple(label for label in plain if label in available)
    lost = tuple(label for label in plain if label not in available)
    if ELLIPSIS in operands[0][1]:
        dx = _sum_over_repeats(g, x, labels, operands, present)
        if ELLIPSIS in labels:
            present = (ELLIPSIS, *present)
    else:
        dx = _einsum(g, operands, present)
    if present == labels:
        return dx
    if not lost:
        return _einsum(g, [(dx, present)], labels)
    sizes = [_size_along(g, x, labels, label) for label in lost]
    shape = g.ConcatV2(sizes, 0) if len(sizes) > 1 else sizes[0]
    return _einsum(g, [(dx, present), (g.Fill(shape, g.constant(1, x.dtype)), lost)], labels)


def _sum_over_repeats(
    g: GraphBuilder,
    x: Tensor,
    labels: tuple[str, ...],
    operands: Sequence[Labelled],
    present: tuple[str, ...],
) -> Tensor:
    """Sums the gradient, whose covered axes come first, along those where x was broadcast."""
    dx = _einsum(g, operands, (ELLIPSIS, *present))
    if len(operands) == 1:
        return dx
    mine = _ellipsis_sizes(g, x, labels)
    axes, _ = g.BroadcastGradientArgs(mine, _ellipsis_sizes(g, *operands[1]))
    tail = g.StridedSlice(g.shape_of(dx), [-len(present)], [0], [1], end_mask=1, Index="int32")
    return g.Reshape(g.Sum(dx, axes), g.ConcatV2([mine, tail], 0) if present else mine)


def _ellipsis_sizes(g: GraphBuilder, x: Tensor, labels: tuple[str, ...]) -> Tensor:
    """Returns the sizes of the axes covered by the ellipsis of x, an empty vector if it has none."""
    if ELLIPSIS not in labels:
        return g.constant([], "int32")
    start = labels.index(ELLIPSIS)
    after = len(labels) - start - 1
    mask = 0 if after else 1
    return g.StridedSlice(g.shape_of(x), [start], [-after], [1], end_mask=mask, Index="int32")


def _size_along(g: GraphBuilder, x: Tensor, labels: tuple[str, ...], label: str) -> Tensor:
    """Returns the size of x along a label, as a vector of one element."""
    place = labels.index(label)
    if ELLIPSIS in labels[:place]:
        place -= len(labels)
    mask = 1 if place == -1 else 0
    return g.StridedSlice(g.shape_of(x), [place], [place + 1], [1], end_mask=mask, Index="int32")
