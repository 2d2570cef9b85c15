"""Authoring graphs from Python: every operation is a method of a GraphBuilder.

    g = GraphBuilder()
    x = g.placeholder("float", [None, 784], name="x")
    y = g.Relu(x @ w + b, name="hidden")

Gradient functions write their nodes with the same builder, so those are placed, partitioned and saved like
any other node.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.attributes import AttrValue
from ...graphfmt.dtypes import DType
from ...graphfmt.errors import TfgError, invalid
from ...graphfmt.graph import PRODUCER, Graph, Node, Versions, endpoint
from ...graphfmt.names import NODE_NAME
from ...graphfmt.shapes import Shape
from ...graphfmt.tensors import from_array
from ..core import inference, registry
from .method_help import describe_method
from .node_view import NodeView
from .python_values import as_array, as_attr, inferred_attrs
from .tensor import IndexedSlices, Tensor

__all__ = ["GraphBuilder", "IndexedSlices", "NodeContext", "NodeView", "Tensor"]

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ...graphfmt.graph import FunctionDef
    from ...graphfmt.signatures import OpSignature
    from ..core.facts import Fact
    from ..core.registry import Op
    from ..functions.library import Library


_INT32_MAX = 2**31 - 1


class NodeContext(Protocol):
    """A scope that decides on the inputs of the nodes that are added within: TensorFlow's ControlFlowContext."""

    def add_node(self, node: Node, tensors: Sequence[Tensor]) -> tuple[Node, Sequence[Tensor]]:
        """Returns the node as it is to be added, and its input tensors."""
        ...

    def in_frame_of(self, node: str) -> AbstractContextManager[None]:
        """Nodes added within are in the loop that a node is in."""
        ...


class GraphBuilder:
    """Holds the nodes of a graph to be. A builder made on a graph adds to a copy of it.

    ``builder.MatMul(a, b, transpose_b=True, name="logits")`` adds a node and returns its output: a Tensor,
    a list of Tensors where the operation has several outputs or a list, or the node's name where it has
    none. Inputs may be Tensors or whatever numpy can turn into an array of the dtype that the other inputs
    ask for. Attributes that follow from the inputs need not be given.
    """

    def __init__(
        self,
        graph: Graph | None = None,
        *,
        given: Mapping[str, tuple[Fact, ...]] | None = None,
        library: Library | None = None,
    ) -> None:
        """``given`` is what is known of the outputs of nodes of the graph by other means; functions are
        those of ``library``, and added to it, where it is not the graph's own."""
        self._base = graph or Graph(versions=Versions(producer=PRODUCER))
        self._nodes: dict[str, Node] = dict(self._base.index)
        self._facts: dict[str, tuple[Fact, ...]] | None = None if graph else {}
        self._given = given
        self._library = library
        self._context: NodeContext | None = None
        self._scope = ""
        self._controls: tuple[str, ...] = ()
        self._device = ""
        self._attrs: dict[str, AttrValue] = {}
        self._suffixes: dict[str, int] = {}

    def __getattr__(self, op_name: str) -> Callable[..., Any]:
        op = None if op_name.startswith("_") else registry.find(op_name, self.__dict__.get("_library"))
        if op is None:
            raise AttributeError(f"no operation is called {op_name!r}")

        def method(*inputs: Any, name: str | None = None, **attrs: Any) -> Any:
            return self.add_op(op_name, *inputs, name=name, **attrs)

        describe_method(method, op)
        return method

    def __dir__(self) -> list[str]:
        functions = () if self.library is None else self.library.definitions
        operations = (op.name for op in registry.all_ops() if not op.name.startswith("_"))
        return sorted({*super().__dir__(), *operations, *functions})

    def __repr__(self) -> str:
        return f"<GraphBuilder: nodes {len(self._nodes)}>"

    def __contains__(self, node: str) -> bool:
        return node in self._nodes

    def graph(self) -> Graph:
        """Returns the graph of the nodes added so far."""
        graph = self._base.with_nodes(self._nodes.values())
        if self._library is None or len(self._library.definitions) == len(graph.functions):
            return graph
        return replace(graph, functions=tuple(self._library.definitions.values()))

    def tensor(self, name: str) -> Tensor:
        """Returns an output by name. Raises NOT_FOUND or INVALID_ARGUMENT if there is none."""
        found = endpoint(name)
        if found.node not in self._nodes:
            self.graph()[found.node]
        if not 0 <= found.port < len(self.facts_of(found.node)):
            raise invalid(f"node {found.node!r} has no output {name!r}")
        return Tensor(self, found.node, found.port)

    def facts_of(self, node: str) -> tuple[Fact, ...]:
        """Returns the facts of a node's outputs."""
        return self._known_facts()[node]

    def _known_facts(self) -> dict[str, tuple[Fact, ...]]:
        if self._facts is None:
            self._facts = inference.infer_graph(self._base, self._given, self.library)
        return self._facts

    def view(self, node: str) -> NodeView:
        """A node with its inputs and outputs."""
        return NodeView(self, self._nodes[node])

    # Scopes.

    @contextmanager
    def name_scope(self, name: str) -> Generator[str]:
        """Nodes added within are called ``name/…``; a name in use gets a number."""
        outer = self._scope
        self._scope = self.unique_name(name) + "/"
        try:
            yield self._scope
        finally:
            self._scope = outer

    @contextmanager
    def control_dependencies(self, nodes: Sequence[Tensor | str] | None) -> Generator[None]:
        """Nodes added within run after these and those of outer calls; None removes all."""
        outer = self._controls if nodes is not None else ()
        before, nodes = self._controls, nodes or ()
        names = [n.node if isinstance(n, Tensor) else n.removeprefix("^") for n in nodes]
        self._controls = (*outer, *(f"^{n}" for n in dict.fromkeys(names) if f"^{n}" not in outer))
        try:
            yield
        finally:
            self._controls = before

    @contextmanager
    def device(self, device: str) -> Generator[None]:
        """Nodes added within ask for this device."""
        outer, self._device = self._device, device
        try:
            yield
        finally:
            self._device = outer

    @contextmanager
    def attributes(self, **attrs: AttrValue) -> Generator[None]:
        """Nodes added within carry these attributes (``_class`` and its like) besides their own."""
        outer = self._attrs
        self._attrs = {**outer, **attrs}
        try:
            yield
        finally:
            self._attrs = outer

    @contextmanager
    def node_context(self, context: NodeContext) -> Generator[None]:
        """Nodes added within are passed to a context first."""
        outer, self._context = self._context, context
        try:
            yield
        finally:
            self._context = outer

    def in_frame_of(self, node: str) -> AbstractContextManager[None]:
        """Nodes added within may be inputs of that node: they are in the same loop."""
        return nullcontext() if self._context is None else self._context.in_frame_of(node)

    def unique_name(self, name: str) -> str:
        """Returns the name within the current scope, with a number if it is in use."""
        full = self._scope + name
        if full not in self._nodes and full not in self._suffixes:
            self._suffixes[full] = 0
            return full
        while True:
            self._suffixes[full] = self._suffixes.get(full, 0) + 1
            candidate = f"{full}_{self._suffixes[full]}"
            if candidate not in self._nodes and candidate not in self._suffixes:
                return candidate

    # Nodes.

    def placeholder(
        self,
        dtype: DType | str,
        shape: Sequence[int | None] | Shape | None = None,
        *,
        name: str | None = None,
    ) -> Tensor:
        """Adds a value to be fed; a dimension of None is unknown, a shape of None is of unknown rank."""
        return self.add_op("Placeholder", dtype=dtype, shape=shape, name=name)

    def constant(self, value: Any, dtype: DType | str | None = None, *, name: str | None = None) -> Tensor:
        """Adds a Const node. Python floats are float, ints int32, as in TensorFlow."""
        wanted = dtypes.parse(dtype) if isinstance(dtype, str) else dtype
        array = as_array(value, wanted)
        wanted = wanted or dtypes.of_numpy(array.dtype)
        return self.add_op("Const", value=from_array(array, wanted), dtype=wanted, name=name or "Const")

    def group(self, *operations: Tensor | str, name: str | None = None) -> str:
        """Adds a NoOp that runs after all of these; returns its name."""
        with self.control_dependencies(list(operations)):
            return self.add_op("NoOp", name=name or "group")

    def add_op(self, op_name: str, *inputs: Any, name: str | None = None, **attrs: Any) -> Any:
        """Adds a node of any operation; see the class. Raises INVALID_ARGUMENT where it is not valid."""
        op = self.op(op_name)
        signature = op.signature
        node, tensors = self.node_for(signature, inputs, name or op_name, attrs)
        if self._context is not None:
            node, tensors = self._context.add_node(node, tensors)
        if not NODE_NAME.fullmatch(node.name):
            raise invalid(f"Node name contains invalid characters: {node.name!r}")
        try:
            bound = signature.bind(node)
            known, producer = [t.fact for t in tensors], self._base.versions.producer
            facts = inference.infer_node(op, node, bound, known, self.library, producer)
        except TfgError as error:
            raise error.at(node.name, None) from error.__cause__
        self._known_facts()[node.name] = facts
        self._nodes[node.name] = node
        outputs = [Tensor(self, node.name, i) for i in range(len(facts))]
        if not signature.outputs:
            return node.name
        return outputs[0] if len(signature.outputs) == 1 and not signature.outputs[0].is_list else outputs

    def node_for(
        self, signature: OpSignature, inputs: Sequence[Any], name: str, attrs: Mapping[str, Any]
    ) -> tuple[Node, list[Tensor]]:
        """Returns the node that ``add_op`` would add, not checked against its signature yet, and its input tensors."""
        if len(inputs) != len(signature.inputs):
            raise invalid(
                f"operation {signature.name} takes {len(signature.inputs)} inputs, not {len(inputs)}"
            )
        given = {key: as_attr(signature, key, value) for key, value in attrs.items()}
        groups = self._as_tensors(signature, inputs, given)
        tensors = [self.captured(tensor) for group in groups for tensor in group]
        full = {**self._attrs, **inferred_attrs(signature, groups), **given}
        written = (*(t.name for t in tensors), *self._controls)
        return Node(self.unique_name(name), signature.name, written, full, self._device), tensors

    def captured(self, tensor: Tensor) -> Tensor:
        """Returns a tensor of this builder for one of any builder. Raises INVALID_ARGUMENT if there is none."""
        if tensor.builder is self:
            return tensor
        raise invalid(f"{tensor.name!r} is of another graph")

    def _as_tensors(
        self, signature: OpSignature, inputs: Sequence[Any], attrs: Mapping[str, AttrValue]
    ) -> list[list[Tensor]]:
        """One list of tensors per argument; plain values become constants of the dtype that fits."""
        known = {name: value for name, value in attrs.items() if isinstance(value, DType)}
        for arg, value in zip(signature.inputs, inputs):
            first = next((v for v in (value if arg.is_list else [value]) if isinstance(v, Tensor)), None)
            if arg.type_attr and first is not None:
                known.setdefault(arg.type_attr, first.dtype)
        groups: list[list[Tensor]] = []
        for arg, value in zip(signature.inputs, inputs):
            wanted = arg.dtype or known.get(arg.type_attr) or signature.defaults.get(arg.type_attr)
            dtype = wanted if isinstance(wanted, DType) else None
            values = list(value) if arg.is_list else [value]
            groups.append([v if isinstance(v, Tensor) else self.constant(v, dtype) for v in values])
            if arg.type_attr and groups[-1]:
                known.setdefault(arg.type_attr, groups[-1][0].dtype)
        return groups

    # Functions of the library.

    @property
    def library(self) -> Library | None:
        """The function library of the graph; None if it has none."""
        if self._library is None and self._base.functions:
            return self.functions()
        return self._library

    def functions(self) -> Library:
        """Returns the function library of the graph, empty if it has none."""
        if self._library is None:
            from ..functions.library import Library

            definitions = {f.name: f for f in self._base.functions}
            self._library = Library(definitions, self._base.gradients, self._base.source)
        return self._library

    def op(self, name: str) -> Op:
        """Returns the operation or function of that name. Raises NOT_FOUND with a similar name as a hint."""
        return registry.get(name, self.library)

    def add_function(self, definition: FunctionDef) -> None:
        """Adds a function to the library. Raises INVALID_ARGUMENT if one of that name exists."""
        definitions = self.functions().definitions
        if definition.name in definitions:
            raise invalid(f"function {definition.name!r} is defined already")
        definitions[definition.name] = definition

    def replace_node(self, node: Node, facts: tuple[Fact, ...]) -> None:
        """Replaces the node of the same name. The first outputs must stay what they are."""
        self._known_facts()[node.name] = facts
        self._nodes[node.name] = node

    def function(self, name: str, body: Callable[..., Any], *arguments: Any) -> str:
        """Adds a function to the library, for ``g.PartitionedCall([…], f=name, Tout=[…])`` or
        ``getattr(g, name)(…)``; its name.

        Args:
            body: from the function's builder and its arguments' Tensors to its results: one Tensor or a list.
            arguments: dtypes, or pairs of a dtype and a shape.
        """
        from .function_builder import add_function

        return add_function(self, name, body, arguments)

    def cond(
        self,
        pred: Any,
        true_fn: Callable[[GraphBuilder], Any],
        false_fn: Callable[[GraphBuilder], Any],
        *,
        name: str | None = None,
    ) -> Any:
        """Adds a conditional: returns the results of ``true_fn`` if ``pred`` is true, else those of ``false_fn``, a
        Tensor or a list of as many Tensors of the same dtypes. Only that branch runs.

        Each is called with a builder of its own, and may use tensors of this one.
        """
        from .function_builder import add_cond

        return add_cond(self, pred, true_fn, false_fn, name)

    def while_loop(
        self,
        cond: Callable[..., Any],
        body: Callable[..., Any],
        loop_vars: Sequence[Any],
        *,
        parallel_iterations: int = 10,
        name: str | None = None,
    ) -> list[Tensor]:
        """Adds a loop: returns the loop variables after ``body`` has run as long as ``cond`` holds.

        Both are called with a builder of their own and one Tensor per loop variable; ``cond`` gives a
        boolean scalar, ``body`` the new loop variables. They may use tensors of this builder.
        """
        from .function_builder import add_while

        return add_while(self, cond, body, loop_vars, parallel_iterations, name)

    # Helpers for gradient functions.

    def zeros_like(self, tensor: Tensor) -> Tensor:
        return self.add_op("ZerosLike", tensor)

    def shape_of(self, tensor: Tensor) -> Tensor:
        """Adds the shape as an int32 vector: a constant if it is static."""
        if tensor.shape.is_fully_known and max(tensor.shape.known(), default=0) <= _INT32_MAX:
            return self.constant(np.array(tensor.shape.known(), np.int32))
        return self.add_op("Shape", tensor)

    def cast(self, tensor: Tensor, dtype: DType) -> Tensor:
        return tensor if tensor.dtype is dtype else self.add_op("Cast", tensor, DstT=dtype)
