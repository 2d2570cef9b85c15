"""Shape functions of the TensorArray operations.

The fact of a handle has the dtype and the element shape of its array; reads infer their shapes from it.
"""

from __future__ import annotations

from ....graphfmt import dtypes
from ....graphfmt.shapes import SCALAR, UNKNOWN, Shape, vector
from ...core.facts import Fact, Handle
from ...core.inference import ShapeContext, attr_shape


def _handle_shape(c: ShapeContext) -> Shape:
    """The inferred element shape of the array."""
    handle = c.handle()
    return UNKNOWN if handle is None else handle.shape


def _after_first(shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape(shape.dims[1:])


def _with_first(first: int | None, shape: Shape) -> Shape:
    return UNKNOWN if shape.dims is None else Shape((first, *shape.dims))


def created_shape(c: ShapeContext) -> list[Fact]:
    c.with_rank("size", 0)
    return _array_facts(c, Handle(c.attr("dtype"), attr_shape(c.attr("element_shape"))))


def write_shape(c: ShapeContext) -> Shape:
    c.with_rank("index", 0)
    _handle_shape(c).merge(c.input("value"))
    return SCALAR


def read_shape(c: ShapeContext) -> Shape:
    c.with_rank("index", 0)
    return _handle_shape(c)


def gather_shape(c: ShapeContext) -> Shape:
    shape = attr_shape(c.attr("element_shape")).merge(_handle_shape(c))
    return _with_first(c.with_rank("indices", 1)[0], shape)


def pack_shape(c: ShapeContext) -> Shape:
    return _with_first(None, attr_shape(c.attr("element_shape")).merge(_handle_shape(c)))


def scatter_shape(c: ShapeContext) -> Shape:
    c.with_rank("indices", 1)
    _after_first(c.with_rank_at_least("value", 1)).merge(_handle_shape(c))
    return SCALAR


def unpack_shape(c: ShapeContext) -> Shape:
    c.with_rank_at_least("value", 1)
    return SCALAR


def concat_shape(c: ShapeContext) -> list[Shape]:
    rest = attr_shape(c.attr("element_shape_except0"))
    known = _handle_shape(c)
    if known.dims:
        rest = rest.merge(_after_first(known))
    return [_with_first(None, rest), vector(None)]


def split_shape(c: ShapeContext) -> Shape:
    c.with_rank_at_least("value", 1)
    c.with_rank("lengths", 1)
    return SCALAR


def grad_shape(c: ShapeContext) -> list[Fact]:
    return _array_facts(c, c.handle())


def _array_facts(c: ShapeContext, handle: Handle | None) -> list[Fact]:
    """The facts of a handle output, a scalar resource or a string vector [2], and of the flow if there is one."""
    kind = c.bound.output_types[0]
    array = Fact(kind, SCALAR if kind is dtypes.resource else Shape((2,)), handle=handle)
    return [array, Fact(dtypes.float32, SCALAR)][: len(c.bound.output_types)]


def grad_with_shape(c: ShapeContext) -> list[Fact]:
    handle, front = c.handle(), c.as_shape("shape_to_prepend")
    if handle is None or front.dims is None or handle.shape.dims is None:
        return _array_facts(c, handle and Handle(handle.dtype, UNKNOWN))
    return _array_facts(c, Handle(handle.dtype, Shape(front.dims + handle.shape.dims)))
