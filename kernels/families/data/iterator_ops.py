"""Operations on iterators: Iterator, OneShotIterator, AnonymousIterator, MakeIterator, IteratorGetNext and their
relatives, in all versions (iterator_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, Role, StateAccess
from ...numeric.string_tensors import to_value
from ...numeric.variants import Variant
from ..data_flow.optional_ops import optional_variant
from .datasets import to_dataset
from .iterators import DatasetIterator, check_elements
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ...core.context import Callee
    from ...core.inference import ShapeContext
    from .datasets import State

family = Family(__name__, gpu=GpuSupport.NONE, state=StateAccess.CHANGES)
op = family.op

_SEPARATOR = ";"


def _iterator(handle: Any) -> DatasetIterator:
    """Returns the iterator of a handle. Raises INVALID_ARGUMENT if it is none."""
    if not isinstance(handle, DatasetIterator):
        raise invalid(f"the handle must be of an iterator, but is of a {type(handle).__name__}")
    return handle


def _shared(
    ctx: Any,
    node_name: str,
    container: str,
    shared_name: str,
    types: Sequence[DType],
    stated: Sequence[Shape],
) -> DatasetIterator:
    name = shared_name or node_name
    full = f"{container}{_SEPARATOR}{name}" if container else name
    return ctx.resource(container, name, DatasetIterator, lambda: DatasetIterator(full, types, stated))


def _named(
    ctx: Any, xp: Any, *, node_name: str, shared_name: str, container: str, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    return _shared(ctx, node_name, container, shared_name, output_types, output_shapes)


for _name in ("Iterator", "IteratorV2"):
    op(
        f"{_name}(; shared_name: string, container: string, {OUTPUTS}) -> (handle: resource)",
        shape=shapes.scalar,
        stateful=True,
        state=StateAccess.READS,
    ).kernel(_named)


one_shot = op(
    f'OneShotIterator(; dataset_factory: func, {OUTPUTS}, container: string = "", shared_name: string = "") '
    "-> (handle: resource)",
    shape=shapes.scalar,
    stateful=True,
)


@one_shot.kernel
def _(
    ctx: Any, xp: Any, *, node_name: str, dataset_factory: Callee, shared_name: str, container: str,
    output_types: Sequence[DType], output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    iterator = _shared(ctx, node_name, container, shared_name, output_types, output_shapes)

    def made() -> Any:
        results = dataset_factory(ctx)
        if len(results) != 1:
            raise invalid("The `dataset_factory` function must return exactly one dataset.")
        return to_dataset(results[0])

    iterator.make_once(made)
    return iterator


def _anonymous(
    xp: Any, *, node_name: str, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    return DatasetIterator(node_name, output_types, output_shapes)


def _anonymous_with_deleter(
    xp: Any, *, node_name: str, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    return DatasetIterator(node_name, output_types, output_shapes), np.empty((), object)


for _name in ("AnonymousIterator", "AnonymousIteratorV3"):
    op(
        f"{_name}(; {OUTPUTS}) -> (handle: resource)",
        shape=shapes.scalar,
        stateful=True,
        state=StateAccess.PER_STEP,
    ).kernel(_anonymous)
op(
    f"AnonymousIteratorV2(; {OUTPUTS}) -> (handle: resource, deleter: variant)",
    shape=lambda c: [shapes.scalar(c)] * 2,
    stateful=True,
    state=StateAccess.PER_STEP,
).kernel(_anonymous_with_deleter)


delete = op("DeleteIterator(handle: resource, deleter: variant)", shape=shapes.no_outputs, stateful=True)


@delete.kernel
def _(xp: Any, handle: Any, deleter: Any) -> Any:
    return []


make = op(
    "MakeIterator(dataset: variant, iterator: resource)",
    shape=shapes.no_outputs,
    stateful=True,
    role=Role.ITERATOR_INITIALIZER,
)


@make.kernel
def _(xp: Any, dataset: Any, iterator: Any) -> Any:
    _iterator(iterator).make(to_dataset(dataset))
    return []


def stated_shapes(c: ShapeContext) -> Sequence[Shape]:
    """Returns the shapes that the node states of an element. Raises INVALID_ARGUMENT unless there is one per type."""
    types, stated = c.attr("output_types"), c.attr("output_shapes")
    if len(stated) != len(types):
        raise invalid(f"output_types has {len(types)} entries, but output_shapes has {len(stated)}")
    return stated


def _next(
    ctx: Any, xp: Any, iterator: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    found = _iterator(iterator)
    check_elements(output_types, output_shapes, found.types, found.shapes)
    element = found.next(ctx)
    if element is None:
        raise TfgError(Status.OUT_OF_RANGE, "End of sequence")
    check_values(element, output_types, output_shapes)
    return list(element)


def check_values(element: Sequence[Any], types: Sequence[DType], stated: Sequence[Shape]) -> None:
    """Raises INVALID_ARGUMENT unless the components of an element have these dtypes and shapes."""
    if len(element) != len(types):
        raise invalid(
            f"Number of components does not match: expected {len(types)} types but got {len(element)}."
        )
    for place, (value, dtype, shape) in enumerate(zip(element, types, stated)):
        if not dtype.is_opaque and isinstance(value, np.ndarray | np.generic) and value.dtype != dtype.numpy:
            raise invalid(f"Data type mismatch at component {place}: expected {dtype} but got {value.dtype}.")
        if not shape.is_compatible(Shape(np.shape(value))):
            raise invalid(
                f"Incompatible shapes at component {place}: expected {shape} but got {Shape(np.shape(value))}."
            )


for _name in ("IteratorGetNext", "IteratorGetNextSync"):
    op(
        f"{_name}(iterator: resource; {OUTPUTS}) -> (components: *output_types)",
        shape=stated_shapes,
        stateful=True,
    ).kernel(_next)


as_optional = op(
    f"IteratorGetNextAsOptional(iterator: resource; {OUTPUTS}) -> (optional: variant)",
    shape=shapes.scalar,
    stateful=True,
)


@as_optional.kernel
def _(
    ctx: Any, xp: Any, iterator: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    found = _iterator(iterator)
    check_elements(output_types, output_shapes, found.types, found.shapes)
    return optional_variant(found.next(ctx))


to_string = op(
    "IteratorToStringHandle(resource_handle: resource) -> (string_handle: string)",
    shape=shapes.scalar,
    stateful=True,
    state=StateAccess.READS,
)


@to_string.kernel
def _(xp: Any, resource_handle: Any) -> Any:
    handle = np.empty((), object)
    handle[()] = _iterator(resource_handle).name.encode()
    return handle


def _from_string(
    ctx: Any, xp: Any, string_handle: Any, *, output_types: Sequence[DType], output_shapes: Sequence[Shape]
) -> Any:
    text = string_handle[()] if isinstance(string_handle, np.ndarray) else string_handle
    if not isinstance(text, bytes):
        raise invalid(f"string_handle must be a scalar, but has shape {list(np.shape(text))}")
    container, _, name = text.decode("utf-8", "replace").rpartition(_SEPARATOR)
    found = ctx.resource(container, name, DatasetIterator, lambda: _no_iterator(name))
    if output_types:
        stated = output_shapes or [Shape(None)] * len(output_types)
        check_elements(output_types, stated, found.types, found.shapes)
    return found


def _no_iterator(name: str) -> DatasetIterator:
    raise TfgError(Status.NOT_FOUND, f"there is no iterator {name!r}")


for _name in ("IteratorFromStringHandle", "IteratorFromStringHandleV2"):
    op(
        f"{_name}(string_handle: string; output_types: list(type) >= 0 = [], output_shapes: list(shape) >= 0 = []) "
        "-> (resource_handle: resource)",
        shape=shapes.scalar,
        stateful=True,
        state=StateAccess.READS,
    ).kernel(_from_string)


class IteratorState(Variant):
    """The position of an iterator as a variant."""

    __slots__ = ("state",)

    def __init__(self, state: State) -> None:
        self.state = state


serialize = op(
    "SerializeIterator(resource_handle: resource; external_state_policy: int = 0) -> (serialized: variant)",
    shape=lambda c: Shape((None,)),
    stateful=True,
    state=StateAccess.READS,
)


@serialize.kernel
def _(xp: Any, resource_handle: Any) -> Any:
    serialized = np.empty(1, object)
    serialized[0] = IteratorState(_iterator(resource_handle).save())
    return serialized


deserialize = op(
    "DeserializeIterator(resource_handle: resource, serialized: variant)",
    shape=shapes.no_outputs,
    stateful=True,
)


@deserialize.kernel
def _(xp: Any, resource_handle: Any, serialized: Any) -> Any:
    items = np.reshape(serialized, -1).tolist() if isinstance(serialized, np.ndarray) else [serialized]
    if len(items) != 1 or not isinstance(items[0], IteratorState):
        raise invalid("the variant does not hold the position of an iterator")
    iterator = _iterator(resource_handle)
    iterator.check_initialized()
    iterator.load(items[0].state)
    return []


device = op(
    "IteratorGetDevice(resource: resource) -> (device: string)",
    shape=shapes.scalar,
    stateful=True,
    state=StateAccess.READS,
)


@device.kernel
def _(ctx: Any, xp: Any, resource: Any) -> Any:
    _iterator(resource)
    return to_value((ctx.device or "/job:localhost/replica:0/task:0/device:CPU:0").encode())
