"""Variables become values throughout a graph and the functions it calls.

In a body (the graph, or a function's), a handle or reference is followed from the variable to all that it
reaches: nodes that hand it on hand on the value, nodes that read it read the value, a function that is given
it gets a copy whose argument is the value. What would write it is *blocked*; whether that matters is for
``freezing`` to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.dtypes import DType
from ....graphfmt.errors import TfgError, invalid
from ....graphfmt.graph import Endpoint, FunctionDef, Graph, Node, endpoint
from ....graphfmt.shapes import Shape
from ....kernels.builder import function_builder
from ....kernels.core import registry
from ....kernels.core.op_sets import CHECKPOINT_OPS, ENTERS, MERGES, VARIABLES
from ....kernels.functions.library import Library, key_of_attrs
from . import function_calls as frozen_calls
from . import node_rules as frozen_nodes
from .node_rules import InputValues, VariableValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ....graphfmt.attributes import Function
    from ....graphfmt.tensors import Array
    from .function_calls import CallForm


@dataclass
class FrozenBody:
    """A graph while its variables become values.

    ``values`` are the tensors that were handles or references; ``blocked`` says of nodes that cannot stay
    why; ``calls`` are the functions that nodes are to call instead, by node.
    """

    graph: Graph
    values: dict[Endpoint, VariableValue] = field(default_factory=dict[Endpoint, VariableValue])
    blocked: dict[str, str] = field(default_factory=dict[str, str])
    calls: dict[str, list[FunctionCopy]] = field(default_factory=dict[str, "list[FunctionCopy]"])

    def given(self, node: Node) -> InputValues:
        """The inputs of a node that are values now."""
        found = ((i, self.values.get(source)) for i, source in enumerate(node.data_inputs))
        return {i: value for i, value in found if value is not None}


@dataclass
class FunctionCopy:
    """A function's copy: its name, which results were handles, and why it cannot be called, if so. The copy
    has the name of the function itself where nothing of it changed."""

    name: str
    results: InputValues = field(default_factory=InputValues)
    blocked: str = ""


class Freezer:
    """Freezes bodies against one set of values.

    Args:
        graph: whose library the bodies call.
        values: the variables that become constants, by name.
    """

    def __init__(self, graph: Graph, values: Mapping[str, Array]) -> None:
        definitions = {f.name: f for f in graph.functions}
        self.library = Library(dict(definitions), graph.gradients, graph.source) if definitions else None
        self._values = values
        self._made: dict[Any, FunctionCopy] = {}

    def look(self, graph: Graph, given: Mapping[Endpoint, VariableValue]) -> FrozenBody:
        """Follows the variables of a body and what it is given."""
        body = FrozenBody(graph, dict(given))
        readers = _readers(graph)
        plain = [node for node in graph.nodes if node.op in CHECKPOINT_OPS or self.value_of(node) is not None]
        # A function is looked into when all is known that reaches its call by other ways.
        calls = {n.name: n for n in graph.nodes if frozen_calls.call_form(n, self.library) is not None}
        waiting = dict(calls)
        _wait(waiting, calls, plain, (r for source in given for r in readers.get(source, ())))
        while plain or waiting:
            node = plain.pop() if plain else waiting.pop(next(iter(waiting)))
            for port, value in self._outputs(body, node).items():
                source = Endpoint(node.name, port)
                if source not in body.values:
                    body.values[source] = value
                    _wait(waiting, calls, plain, readers.get(source, ()))
        self._check_mixed(body)
        return body

    def value_of(self, node: Node) -> Array | None:
        """The value that a variable node takes; None for one that stays, and for any other node."""
        return self._values.get(variable_name(node)) if node.op in VARIABLES else None

    def _outputs(self, body: FrozenBody, node: Node) -> InputValues:
        """Which outputs of a node are values now; finds out whether it is blocked."""
        found = self.value_of(node)
        if found is not None:
            return {0: VariableValue(_dtype_of(node), Shape(tuple(found.shape)))}
        if node.op in CHECKPOINT_OPS:
            body.blocked[node.name] = "reads or writes checkpoints"
            return {}
        given = body.given(node)
        form = frozen_calls.call_form(node, self.library)
        if form is not None:
            return self._called(body, node, form, given)
        if not given:
            return {}
        outputs = frozen_nodes.forwarded_values(node, given)
        if outputs is not None:
            return outputs
        if not frozen_nodes.is_variable_read(node) and self._needs_variable(node, given):
            body.blocked[node.name] = f"needs the variable ({node.op})"
        return {}

    def _needs_variable(self, node: Node, given: InputValues) -> bool:
        """Whether a node takes one of these inputs as a reference or a handle, not as a value."""
        try:
            bound = registry.get(node.op, self.library).signature.bind(node)
        except TfgError:
            return True
        return any(bound.input_types[i].is_ref or bound.input_types[i] is dtypes.resource for i in given)

    def _called(self, body: FrozenBody, node: Node, form: CallForm, given: InputValues) -> InputValues:
        if any(i < form.first for i in given):
            body.blocked[node.name] = f"needs the variable ({node.op})"
            return {}
        arguments = {i - form.first + form.shift: value for i, value in given.items()}
        body.blocked.pop(node.name, None)
        try:
            made = [self._function(f, node, arguments) for f in frozen_calls.called_functions(node, form)]
        except TfgError as error:
            # What nobody can look into stays as it is, unless it is given a variable.
            if given:
                body.blocked[node.name] = f"calls a function that does not hold: {error.message}"
            return {}
        body.calls[node.name] = made
        faults = [m.blocked for m in made if m.blocked]
        results = [m.results for m in (made[-1:] if form.repeats else made)]
        if form.repeats and {i - form.first for i in given} - set(results[0]):
            faults.append("changes which variable it means in a loop")
        if any(set(r) != set(results[0]) for r in results):
            faults.append("gives a variable in one branch and something else in another")
        if faults:
            body.blocked[node.name] = faults[0]
        return {} if faults else dict(results[0])

    def _check_mixed(self, body: FrozenBody) -> None:
        for node in body.graph.nodes:
            if node.op not in MERGES and node.op != "IdentityN":
                continue
            given = body.given(node)
            if node.op in MERGES and given and len(given) < len(node.data_inputs):
                body.blocked[node.name] = "may be this variable or one that stays"

    # Functions.

    def _function(self, function: Function, node: Node, arguments: InputValues) -> FunctionCopy:
        """The copy of a function for such arguments, made when it is first asked for."""
        assert self.library is not None
        instance = self.library.instance(function)
        always = instance.always(node)
        key = (function.name, key_of_attrs(function.attrs), tuple(sorted(arguments.items())), always)
        if key in self._made:
            return self._made[key]
        # Until it is known better, for a function that calls itself.
        made = self._made[key] = FunctionCopy(self._unique(f"{function.name}_frozen"))
        original = self.library.definition(function.name)
        self.library.definitions[made.name] = replace(original, name=made.name)
        graph = _needed(instance.graph, [*map(_node_of, instance.results), *always], instance.args)
        given = {Endpoint(instance.args[i], 0): value for i, value in arguments.items()}
        body = self.look(graph, given)
        if body.blocked:
            name, why = next(iter(body.blocked.items()))
            made.blocked = f"{why} at {function.name}/{name}"
            del self.library.definitions[made.name]
            return made
        results = [endpoint(text) for text in instance.results]
        made.results = {i: body.values[r] for i, r in enumerate(results) if r in body.values}
        if not body.values and not any(self._is_changed(body, n) for n in graph.nodes):
            del self.library.definitions[made.name]
            made.name = function.name
            return made
        self._define(made.name, original, instance, body)
        return made

    def _is_changed(self, body: FrozenBody, node: Node) -> bool:
        """Whether a node is to call other functions than it does."""
        made = body.calls.get(node.name)
        form = frozen_calls.call_form(node, self.library)
        if made is None or form is None:
            return False
        return [m.name for m in made] != [f.name for f in frozen_calls.called_functions(node, form)]

    def _unique(self, name: str) -> str:
        assert self.library is not None
        taken = {*self.library.definitions, *(m.name for m in self._made.values())}
        found, number = name, 0
        while found in taken:
            number += 1
            found = f"{name}_{number}"
        return found

    def _define(self, name: str, original: FunctionDef, instance: Any, body: FrozenBody) -> None:
        library = self.library
        assert library is not None
        nodes = self.rewritten(body, body.graph.nodes)
        types = {
            **dict(zip(instance.args, instance.arg_types)),
            **{source.node: value.dtype for source, value in body.values.items() if source.port == 0},
        }
        results = [
            (text, body.values[endpoint(text)].dtype if endpoint(text) in body.values else dtype)
            for text, dtype in zip(instance.results, instance.result_types)
        ]
        present = {node.name for node in nodes}
        made = function_builder.definition(
            name,
            nodes,
            [(arg, types[arg]) for arg in instance.args],
            results,
            self._output_names,
            always=[target for target in instance.targets if target in present],
            is_stateful=any(registry.get(node.op, library).stateful for node in nodes),
        )
        attrs = {k: v for k, v in original.attrs.items() if k not in ("_input_shapes", "_output_shapes")}
        library.definitions[name] = replace(_with_names(made, original), attrs=attrs)

    def _output_names(self, node: Node) -> list[str]:
        signature = registry.get(node.op, self.library).signature
        attrs = {**signature.defaults, **node.attrs}
        return [f"{arg.name}:{i}" for arg in signature.outputs for i in range(len(arg.types(attrs)))]

    # Rewriting.

    def rewritten(self, body: FrozenBody, nodes: Sequence[Node]) -> list[Node]:
        """Some nodes of a body, for values in place of variables."""
        names = {node.name for node in body.graph.nodes}
        in_loop = any(node.op in ENTERS for node in nodes)
        first: dict[str, str] = {}

        def unique(name: str) -> str:
            while name in names:
                name += "_"
            names.add(name)
            return name

        found: list[Node] = []
        for node in nodes:
            value = self.value_of(node)
            if value is not None:
                found.append(_constant(node, value, first))
                continue
            given = body.given(node)
            form = frozen_calls.call_form(node, self.library)
            if form is not None and (given or self._is_changed(body, node)):
                found.append(_calling(body, node, form, given))
            elif form is None and given:
                found += frozen_nodes.replacement_nodes(node, given, unique, in_loop=in_loop)
            else:
                found.append(node)
        return found

    def functions(self, nodes: Sequence[Node]) -> tuple[FunctionDef, ...]:
        """The functions that nodes call in the end, in the library's order."""
        library = self.library
        if library is None:
            return ()
        called = library.called_from(nodes)
        return tuple(f for name, f in library.definitions.items() if name in called)


def _with_names(made: FunctionDef, original: FunctionDef) -> FunctionDef:
    """A copy whose results have the names that the original has for them, where it has one for each."""
    if len(made.outputs) != len(original.outputs):
        return made
    names = {output.name: old.name for output, old in zip(made.outputs, original.outputs)}
    return replace(
        made,
        outputs=tuple(output._replace(name=names[output.name]) for output in made.outputs),
        returns={names[name]: text for name, text in made.returns.items()},
    )


def variable_name(node: Node) -> str:
    """What a session calls the variable of a node."""
    shared = node.attrs.get("shared_name")
    return shared.decode("utf-8", "surrogateescape") if isinstance(shared, bytes) and shared else node.name


def _dtype_of(node: Node) -> DType:
    dtype = node.attrs.get("dtype")
    if not isinstance(dtype, DType):
        raise invalid(f"variable {node.name!r} has no dtype", node=node.name)
    return dtype


def _constant(node: Node, value: Array, first: dict[str, str]) -> Node:
    """A variable node as a constant; another node of the same variable is that constant by another name."""
    dtype = _dtype_of(node)
    shape = node.attrs.get("shape")
    if value.dtype != dtype.numpy:
        held = dtypes.of_numpy(value.dtype)
        raise invalid(f"variable {node.name!r} is {dtype}, but its value is {held}", node=node.name)
    is_declared = isinstance(shape, Shape) and (node.op != "Variable" or shape.rank)
    if is_declared and not shape.is_compatible(Shape(tuple(value.shape))):  # type: ignore[union-attr]
        raise invalid(
            f"variable {node.name!r} has shape {shape}, but its value has {Shape(tuple(value.shape))}",
            node=node.name,
        )
    original = first.setdefault(variable_name(node), node.name)
    if original == node.name:
        return frozen_nodes.constant_node(node, value, dtype)
    return replace(node, op="Identity", inputs=(original, *node.inputs), attrs={"T": dtype})


def _calling(body: FrozenBody, node: Node, form: CallForm, given: InputValues) -> Node:
    made = body.calls[node.name]
    results = {
        port: body.values[Endpoint(node.name, port)]
        for port in (made[-1].results if made else {})
        if Endpoint(node.name, port) in body.values
    }
    return frozen_calls.with_functions(node, form, [m.name for m in made], given, results)


def _wait(
    waiting: dict[str, Node], calls: Mapping[str, Node], plain: list[Node], nodes: Iterable[Node]
) -> None:
    """Puts nodes among those to be looked at: calls, and others."""
    for node in nodes:
        if node.name in calls:
            waiting[node.name] = node
        else:
            plain.append(node)


def _readers(graph: Graph) -> dict[Endpoint, list[Node]]:
    found: dict[Endpoint, list[Node]] = {}
    for node in graph.nodes:
        for source in node.data_inputs:
            found.setdefault(source, []).append(node)
    return found


def _node_of(text: str) -> str:
    return endpoint(text).node


def _needed(graph: Graph, ends: Iterable[str], kept: Sequence[str]) -> Graph:
    """What some nodes of a body depend on, and its arguments."""
    needed = ancestors(graph, ends) | set(kept)
    return graph.with_nodes(node for node in graph.nodes if node.name in needed)


def ancestors(graph: Graph, ends: Iterable[str]) -> set[str]:
    """Some nodes, and all that they depend on."""
    found: set[str] = set()
    stack = list(ends)
    while stack:
        name = stack.pop()
        if name not in found and name in graph:
            found.add(name)
            stack += [endpoint(text).node for text in graph[name].inputs]
    return found
