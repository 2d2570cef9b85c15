"""Shape inference: the static facts of every tensor of a graph, node by node from the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...graphfmt import dtypes, traversal
from ...graphfmt.errors import Status, TfgError, invalid, warn
from ...graphfmt.graph import PRODUCER, Graph, Node, endpoint
from ...graphfmt.names import did_you_mean
from ...graphfmt.shapes import UNKNOWN, Dim, Shape, unknown_dims
from . import binding, registry
from .facts import MAX_ELEMENTS, Fact, Handle, constant_fact
from .failures import as_tfg_error
from .op_sets import MERGES, NEXT_ITERATIONS
from .traits import Role

if TYPE_CHECKING:
    from ...graphfmt.attributes import AttrValue, Function
    from ...graphfmt.dtypes import DType
    from ...graphfmt.signatures import Bound
    from ...graphfmt.tensors import Array
    from ..functions.library import Library
    from .registry import Op

_SMALL_INTEGERS = frozenset({dtypes.int32, dtypes.int64})


class ShapeContext(NamedTuple):
    """A node as its shape function sees it. Inputs are named by their place among all input tensors, or by
    their argument's name. ``producer`` is the version of the graph, which old operations depend on."""

    op: Op
    node: Node
    bound: Bound
    facts: Sequence[Fact]
    library: Library | None = None
    producer: int = PRODUCER

    @property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes with defaults, strings as str."""
        return self.bound.plain_attrs

    def attr(self, name: str) -> Any:
        """An attribute, a string as str. Raises INVALID_ARGUMENT for a string that is not UTF-8."""
        value = self.bound.attrs[name]
        if not isinstance(value, bytes):
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise invalid(f"attr {name!r} is {value!r}, which is not UTF-8").of_attr(name) from None

    def _range(self, name: str) -> range:
        start = 0
        for arg in self.op.signature.inputs:
            width = len(arg.types(self.bound.attrs))
            if arg.name == name:
                return range(start, start + width)
            start += width
        raise KeyError(name)

    def _fact(self, key: int | str) -> Fact:
        return self.facts[key if isinstance(key, int) else self._range(key)[0]]

    def input(self, key: int | str) -> Shape:
        """The static shape of an input."""
        return self._fact(key).shape

    def inputs(self, name: str | None = None) -> list[Shape]:
        """The static shapes of a list argument, or of all inputs."""
        return [self.facts[i].shape for i in (range(len(self.facts)) if name is None else self._range(name))]

    def dtype(self, key: int | str) -> DType:
        return self._fact(key).dtype

    def constant(self, key: int | str) -> Array | None:
        """The value of an input if it is static."""
        return self._fact(key).constant

    def elements(self, key: int | str) -> tuple[Dim, ...] | None:
        """The flattened elements of a small integer input, None where unknown; None if none is known."""
        return self._fact(key).elements

    def as_shape(self, key: int | str) -> Shape:
        """The shape that an integer vector states: unknown elements and -1 are unknown dimensions.

        Raises INVALID_ARGUMENT for elements below -1 and for inputs of any other rank, but for the scalar -1,
        which stands for an unknown rank.
        """
        fact = self._fact(key)
        if fact.shape.rank is not None and fact.shape.rank > 1:
            raise invalid(f"a shape must be a vector, but has shape {fact.shape}")
        if fact.shape.rank == 0:
            if fact.elements == (-1,):
                return UNKNOWN
            raise invalid("a shape must be a vector, not a scalar")
        if fact.elements is None:
            rank = fact.shape[0]
            return UNKNOWN if rank is None else Shape(unknown_dims(rank))
        for size in fact.elements:
            if size is not None and size < -1:
                raise invalid(f"a dimension must not be negative, but is {size}")
        return Shape(tuple(None if size == -1 else size for size in fact.elements))

    def handle(self, key: int | str = 0) -> Handle | None:
        """The variable that an input resource handle refers to."""
        return self._fact(key).handle

    def callees(self) -> Library:
        """The library of the graph. Raises NOT_FOUND where it has none."""
        if self.library is None:
            raise TfgError(Status.NOT_FOUND, f"{self.op.name} calls a function, but the graph has no library")
        return self.library

    def results_of(self, function: Function, facts: Sequence[Fact]) -> tuple[Fact, ...]:
        """Returns the facts of the results of a call. Raises NOT_FOUND for an unknown function, INVALID_ARGUMENT if
        the types of its arguments or of its results are not those of this node."""
        library = self.callees()
        library.check(function, [fact.dtype for fact in facts], self.bound.output_types)
        return library.infer(function, facts)

    def with_rank(self, key: int | str, rank: int) -> Shape:
        """An input's shape, which must be of this rank. Raises INVALID_ARGUMENT."""
        shape = self.input(key)
        if shape.dims is None:
            return Shape((None,) * rank)
        if len(shape.dims) != rank:
            raise invalid(f"{self._called(key)} must be of rank {rank}, but has shape {shape}")
        return shape

    def with_rank_at_least(self, key: int | str, rank: int) -> Shape:
        """An input's shape, which must have at least this rank, if any is known. Raises INVALID_ARGUMENT."""
        shape = self.input(key)
        if shape.dims is not None and len(shape.dims) < rank:
            raise invalid(f"{self._called(key)} must be of rank {rank} or more, but has shape {shape}")
        return shape

    def _called(self, key: int | str) -> str:
        if isinstance(key, str):
            return f"input {key!r}"
        for arg in self.op.signature.inputs:
            if key in self._range(arg.name):
                return f"input {arg.name!r}"
        return f"input {key}"


def infer_node(
    op: Op,
    node: Node,
    bound: Bound,
    facts: Sequence[Fact],
    library: Library | None = None,
    producer: int = PRODUCER,
) -> tuple[Fact, ...]:
    """Returns the facts of a node's outputs, given those of its inputs. Raises INVALID_ARGUMENT for inputs whose
    dtypes or shapes the operation cannot take."""
    _check_input_types(op, bound, facts)
    context = ShapeContext(op, node, bound, facts, library, producer)
    try:
        inferred = op.shape(context)
        if isinstance(inferred, Shape | Fact):
            inferred = (inferred,)
        outputs = tuple(
            item if isinstance(item, Fact) else Fact(dtype, item)
            for item, dtype in zip(inferred, bound.output_types, strict=True)
        )
        for output in outputs:
            _check_dims(output.shape.dims)
        return _with_values(op, node, bound, context, outputs)
    except TfgError:
        raise
    except Exception as error:
        raise as_tfg_error(error, node) from error


def _check_dims(dims: Sequence[Dim] | None) -> None:
    """Raises INVALID_ARGUMENT for a negative size, which a shape function has computed from the values of inputs."""
    for dim in dims or ():
        if dim is not None and dim < 0:
            raise invalid(f"an output would have the negative dimension {dim}")


def _check_input_types(op: Op, bound: Bound, facts: Sequence[Fact]) -> None:
    for position, (fact, expected) in enumerate(zip(facts, bound.input_types, strict=True)):
        if fact.dtype is expected or (fact.dtype.is_ref and fact.dtype.base is expected):
            continue
        raise invalid(f"input {position} of {op.name} is {fact.dtype}, but must be {expected}")


def _with_values(
    op: Op, node: Node, bound: Bound, context: ShapeContext, outputs: tuple[Fact, ...]
) -> tuple[Fact, ...]:
    """Adds static values of small integer outputs: dimensions are computed with those."""
    if len(outputs) != 1 or outputs[0].constant is not None or outputs[0].dtype not in _SMALL_INTEGERS:
        return outputs
    output = outputs[0]
    if output.shape.rank is not None and output.shape.rank > 1:
        return outputs
    size = output.shape.size
    if size is not None and size > MAX_ELEMENTS:
        return outputs
    if _is_foldable(op) and context.facts and all(f.constant is not None for f in context.facts):
        return (_fold(op, node, bound, context.facts, output),)
    if op.elements_function is None:
        return outputs
    elements = op.elements_function(context)
    if elements is None or all(e is None for e in elements):
        return outputs
    elements = tuple(elements)
    if not _are_representable(elements, output.dtype):
        # The kernel fails or wraps around when it runs.
        return outputs
    if None in elements or output.shape.dims is None:
        return (output._replace(elements=elements),)
    array = np.array(elements, output.dtype.numpy).reshape([-1] if output.shape.dims else [])
    return (constant_fact(array, output.dtype),)


def _is_foldable(op: Op) -> bool:
    """Returns True unless a node has effects or may be fed, or draws random numbers, from which no shape is computed
    and which may take long."""
    if op.stateful or op.is_control_flow or op.role is Role.PLACEHOLDER_WITH_DEFAULT:
        return False
    return not op.family.startswith("random.")


def _are_representable(elements: Sequence[Dim], dtype: DType) -> bool:
    limits = np.iinfo(dtype.numpy)
    return all(element is None or limits.min <= element <= limits.max for element in elements)


def _fold(op: Op, node: Node, bound: Bound, facts: Sequence[Fact], output: Fact) -> Fact:
    """Computes a small integer from constants. A failure here is reported when the node runs."""
    values = [fact.constant for fact in facts]
    if any(value is None or value.size > MAX_ELEMENTS for value in values):
        return output
    try:
        with np.errstate(all="ignore"):
            result = binding.bind(op, node, bound, facts, np)(*values)
    except Exception:
        return output
    if isinstance(result, list | tuple):
        result = result[0]
    array = np.asarray(result)
    return constant_fact(array, output.dtype) if array.size <= MAX_ELEMENTS else output


Facts = Mapping[str, tuple[Fact, ...]]


def infer_graph(
    graph: Graph, given: Mapping[str, tuple[Fact, ...]] | None = None, library: Library | None = None
) -> dict[str, tuple[Fact, ...]]:
    """Returns the facts of every node's outputs, by node name. ``given`` facts (of fed nodes) are not inferred.
    ``library`` is made from the graph's functions where it is not given.

    Raises the first error, placed at its node; use ``faults`` for all of them.
    """
    if graph.functions and library is None:
        from ..functions.library import graph_library

        library = graph_library(graph)
    producer = graph.versions.producer
    facts = dict(given or {})
    for node in topological_order(graph, set(facts)):
        if node.name not in facts:
            try:
                op = registry.get(node.op, library)
                bound = op.signature.bind(node)
                if bound.unknown_attrs:
                    warn_of_attrs(graph, node, op, bound)
                inputs = input_facts(node, bound, facts)
                facts[node.name] = infer_node(op, node, bound, inputs, library, producer)
            except TfgError as error:
                raise graph.error_at(error, node.name) from error.__cause__
    return facts


def warn_of_attrs(graph: Graph, node: Node, op: Op, bound: Bound) -> None:
    """Warns of the attributes of a node that its operation does not have."""
    for error in unknown_attr_errors(graph, node, op, bound.unknown_attrs):
        warn(error)


def unknown_attr_errors(graph: Graph, node: Node, op: Op, attrs: Sequence[str]) -> list[TfgError]:
    """Returns an error at each attribute of a node that its operation does not have. TensorFlow ignores them."""
    return [
        graph.error_at(
            invalid(
                f"operation {op.name} has no attr {attr!r}",
                hint=did_you_mean(attr, op.signature.attr_index),
            ),
            node.name,
            attr=attr,
        )
        for attr in attrs
    ]


def input_facts(node: Node, bound: Bound, facts: Mapping[str, Sequence[Fact]]) -> list[Fact]:
    """The facts of a node's data inputs. Raises INVALID_ARGUMENT for an output that does not exist."""
    found: list[Fact] = []
    for text in node.inputs:
        source = endpoint(text)
        if source.is_control:
            continue
        outputs = facts.get(source.node)
        if outputs is None:
            # The back edge of a loop: its source comes later.
            found.append(Fact(bound.input_types[len(found)]))
            continue
        if source.port >= len(outputs):
            raise invalid(f"input {text!r} is output {source.port} of a node with {len(outputs)} outputs")
        found.append(outputs[source.port])
    return found


def topological_order(graph: Graph, cut: set[str] | frozenset[str] = frozenset()) -> Iterator[Node]:
    """The nodes, each after its inputs, otherwise in file order; the edge from a NextIteration to its Merge is
    not followed, nor are the inputs of nodes in ``cut``. Raises as ``traversal.topological_order``."""
    return traversal.topological_order(graph, cut, _BACK_EDGES)


_BACK_EDGES = dict.fromkeys(MERGES, NEXT_ITERATIONS)


def attr_shape(value: AttrValue) -> Shape:
    """A shape attribute's value."""
    assert isinstance(value, Shape)
    return value
