"""Rewriting of bodies (a graph, or a function's): variables become values.

Handles and references are followed from each variable: nodes that forward one forward the value, nodes that
read it read the value, and a function that takes one gets a copy whose argument is the value. Nodes that would
write the variable are *blocked*; ``freeze`` decides whether that matters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ....graphfmt import dtypes
from ....graphfmt.errors import TfgError
from ....graphfmt.graph import Endpoint, FunctionDef, Graph, Node, endpoint
from ....graphfmt.shapes import Shape
from ....graphfmt.traversal import ancestors
from ....kernels.builder import function_builder
from ....kernels.core import registry
from ....kernels.core.op_sets import CHECKPOINT_OPS, ENTERS, MERGES, VARIABLES
from ....kernels.functions.library import Library, key_of_attrs
from . import function_calls, node_rules
from .body import FrozenBody, FunctionCopy
from .node_rules import InputValues, VariableValue
from .variable_constants import variable_constant, variable_dtype, variable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ....graphfmt.attributes import Function
    from ....graphfmt.tensors import Array
    from .function_calls import CallForm


class Freezer:
    """Freezes bodies with one set of values.

    Args:
        graph: provides the library of functions that the bodies call.
        values: the variables that become constants, by name.
    """

    def __init__(self, graph: Graph, values: Mapping[str, Array]) -> None:
        definitions = {f.name: f for f in graph.functions}
        self.library = Library(dict(definitions), graph.gradients, graph.source) if definitions else None
        self._values = values
        self._copies: dict[Any, FunctionCopy] = {}

    def propagate_values(self, graph: Graph, values: Mapping[Endpoint, VariableValue]) -> FrozenBody:
        """Propagates the values of variables, and given values of endpoints, through a body."""
        body = FrozenBody(graph, dict(values))
        readers = _readers(graph)
        plain = [
            node for node in graph.nodes if node.op in CHECKPOINT_OPS or self.variable_value(node) is not None
        ]
        # A call is visited after the nodes that provide its values by other paths.
        calls = {n.name: n for n in graph.nodes if function_calls.call_form(n, self.library) is not None}
        waiting = dict(calls)
        _wait(waiting, calls, plain, (r for source in values for r in readers.get(source, ())))
        while plain or waiting:
            node = plain.pop() if plain else waiting.pop(next(iter(waiting)))
            for port, value in self._outputs(body, node).items():
                source = Endpoint(node.name, port)
                if source not in body.values:
                    body.values[source] = value
                    _wait(waiting, calls, plain, readers.get(source, ()))
        self._check_mixed(body)
        return body

    def variable_value(self, node: Node) -> Array | None:
        """Returns the value that replaces a variable node; None for a variable that stays, and for any other node."""
        return self._values.get(variable_name(node)) if node.op in VARIABLES else None

    def _outputs(self, body: FrozenBody, node: Node) -> InputValues:
        """Returns the outputs of a node that are values now; records the node as blocked if it cannot stay."""
        constant = self.variable_value(node)
        if constant is not None:
            return {0: VariableValue(variable_dtype(node), Shape(tuple(constant.shape)))}
        if node.op in CHECKPOINT_OPS:
            body.blocked[node.name] = "reads or writes checkpoints"
            return {}
        values = body.input_values(node)
        form = function_calls.call_form(node, self.library)
        if form is not None:
            return self._called(body, node, form, values)
        if not values:
            return {}
        outputs = node_rules.forwarded_values(node, values)
        if outputs is not None:
            return outputs
        if not node_rules.is_variable_read(node) and self._needs_variable(node, values):
            body.blocked[node.name] = f"needs the variable ({node.op})"
        return {}

    def _needs_variable(self, node: Node, values: InputValues) -> bool:
        """Returns True if a node takes one of these inputs as a reference or a handle."""
        try:
            bound = registry.get(node.op, self.library).signature.bind(node)
        except TfgError:
            return True
        return any(bound.input_types[i].is_ref or bound.input_types[i] is dtypes.resource for i in values)

    def _called(self, body: FrozenBody, node: Node, form: CallForm, values: InputValues) -> InputValues:
        if any(i < form.first for i in values):
            body.blocked[node.name] = f"needs the variable ({node.op})"
            return {}
        arguments = {i - form.first + form.shift: value for i, value in values.items()}
        body.blocked.pop(node.name, None)
        try:
            copies = [self._function(f, node, arguments) for f in function_calls.called_functions(node, form)]
        except TfgError as error:
            # A function with a fault stays as it is, unless it takes a variable.
            if values:
                body.blocked[node.name] = f"calls a function with a fault: {error.message}"
            return {}
        body.calls[node.name] = copies
        faults = [m.blocked for m in copies if m.blocked]
        results = [m.results for m in (copies[-1:] if form.repeats else copies)]
        if form.repeats and {i - form.first for i in values} - set(results[0]):
            faults.append("refers to different variables in different iterations")
        if any(set(r) != set(results[0]) for r in results):
            faults.append("returns a variable in one branch and another tensor in another")
        if faults:
            body.blocked[node.name] = faults[0]
        return {} if faults else dict(results[0])

    def _check_mixed(self, body: FrozenBody) -> None:
        for node in body.graph.nodes:
            if node.op not in MERGES and node.op != "IdentityN":
                continue
            values = body.input_values(node)
            if node.op in MERGES and values and len(values) < len(node.data_inputs):
                body.blocked[node.name] = "may forward this variable or one that stays"

    # Functions.

    def _function(self, function: Function, node: Node, arguments: InputValues) -> FunctionCopy:
        """Returns the copy of a function for these arguments, cached."""
        assert self.library is not None
        instance = self.library.instance(function)
        always = instance.always(node)
        key = (function.name, key_of_attrs(function.attrs), tuple(sorted(arguments.items())), always)
        if key in self._copies:
            return self._copies[key]
        # Registered before the body is visited, for recursive functions.
        copy = self._copies[key] = FunctionCopy(self._unique(f"{function.name}_frozen"))
        original = self.library.definition(function.name)
        self.library.definitions[copy.name] = replace(original, name=copy.name)
        graph = _needed(instance.graph, [*map(_node_of, instance.results), *always], instance.args)
        values = {Endpoint(instance.args[i], 0): value for i, value in arguments.items()}
        body = self.propagate_values(graph, values)
        if body.blocked:
            name, why = next(iter(body.blocked.items()))
            copy.blocked = f"{why} at {function.name}/{name}"
            del self.library.definitions[copy.name]
            return copy
        results = [endpoint(text) for text in instance.results]
        copy.results = {i: body.values[r] for i, r in enumerate(results) if r in body.values}
        if not body.values and not any(self._is_changed(body, n) for n in graph.nodes):
            del self.library.definitions[copy.name]
            copy.name = function.name
            return copy
        self._define(copy.name, original, instance, body)
        return copy

    def _is_changed(self, body: FrozenBody, node: Node) -> bool:
        """Returns True if the node's functions are replaced by copies."""
        copies = body.calls.get(node.name)
        form = function_calls.call_form(node, self.library)
        if copies is None or form is None:
            return False
        return [m.name for m in copies] != [f.name for f in function_calls.called_functions(node, form)]

    def _unique(self, name: str) -> str:
        assert self.library is not None
        taken = {*self.library.definitions, *(m.name for m in self._copies.values())}
        candidate, number = name, 0
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def _define(self, name: str, original: FunctionDef, instance: Any, body: FrozenBody) -> None:
        library = self.library
        assert library is not None
        nodes = self.replaced_nodes(body, body.graph.nodes)
        types = {
            **dict(zip(instance.args, instance.arg_types)),
            **{source.node: value.dtype for source, value in body.values.items() if source.port == 0},
        }
        results = [
            (text, body.values[endpoint(text)].dtype if endpoint(text) in body.values else dtype)
            for text, dtype in zip(instance.results, instance.result_types)
        ]
        present = {node.name for node in nodes}
        definition = function_builder.definition(
            name,
            nodes,
            [(arg, types[arg]) for arg in instance.args],
            results,
            self._output_names,
            always=[target for target in instance.targets if target in present],
            is_stateful=any(registry.get(node.op, library).stateful for node in nodes),
        )
        attrs = {k: v for k, v in original.attrs.items() if k not in ("_input_shapes", "_output_shapes")}
        library.definitions[name] = replace(_with_names(definition, original), attrs=attrs)

    def _output_names(self, node: Node) -> list[str]:
        signature = registry.get(node.op, self.library).signature
        attrs = {**signature.defaults, **node.attrs}
        return [f"{arg.name}:{i}" for arg in signature.outputs for i in range(len(arg.types(attrs)))]

    # Rewriting.

    def replaced_nodes(self, body: FrozenBody, nodes: Sequence[Node]) -> list[Node]:
        """Returns nodes of a body with values in place of variables."""
        names = {node.name for node in body.graph.nodes}
        in_loop = any(node.op in ENTERS for node in nodes)
        first: dict[str, str] = {}

        def unique(name: str) -> str:
            while name in names:
                name += "_"
            names.add(name)
            return name

        replaced: list[Node] = []
        for node in nodes:
            value = self.variable_value(node)
            if value is not None:
                replaced.append(variable_constant(node, value, first))
                continue
            values = body.input_values(node)
            form = function_calls.call_form(node, self.library)
            if form is not None and (values or self._is_changed(body, node)):
                replaced.append(_calling(body, node, form, values))
            elif form is None and values:
                replaced += node_rules.replacement_nodes(node, values, unique, in_loop=in_loop)
            else:
                replaced.append(node)
        return replaced

    def functions(self, nodes: Sequence[Node]) -> tuple[FunctionDef, ...]:
        """Returns the functions that nodes call after freezing, in the order of the library."""
        library = self.library
        if library is None:
            return ()
        called = library.reachable_functions(nodes)
        return tuple(f for name, f in library.definitions.items() if name in called)


def _with_names(definition: FunctionDef, original: FunctionDef) -> FunctionDef:
    """Returns the copy with the original's result names, if each result has one."""
    if len(definition.outputs) != len(original.outputs):
        return definition
    names = {output.name: old.name for output, old in zip(definition.outputs, original.outputs)}
    return replace(
        definition,
        outputs=tuple(output._replace(name=names[output.name]) for output in definition.outputs),
        returns={names[name]: text for name, text in definition.returns.items()},
    )


def _calling(body: FrozenBody, node: Node, form: CallForm, values: InputValues) -> Node:
    copies = body.calls[node.name]
    results = {
        port: body.values[Endpoint(node.name, port)]
        for port in (copies[-1].results if copies else {})
        if Endpoint(node.name, port) in body.values
    }
    return function_calls.with_functions(node, form, [m.name for m in copies], values, results)


def _wait(
    waiting: dict[str, Node], calls: Mapping[str, Node], plain: list[Node], nodes: Iterable[Node]
) -> None:
    """Adds nodes to the queue of calls or of other nodes."""
    for node in nodes:
        if node.name in calls:
            waiting[node.name] = node
        else:
            plain.append(node)


def _readers(graph: Graph) -> dict[Endpoint, list[Node]]:
    readers: dict[Endpoint, list[Node]] = {}
    for node in graph.nodes:
        for source in node.data_inputs:
            readers.setdefault(source, []).append(node)
    return readers


def _node_of(text: str) -> str:
    return endpoint(text).node


def _needed(graph: Graph, ends: Iterable[str], kept: Sequence[str]) -> Graph:
    """Returns the subgraph that some nodes depend on, including the arguments."""
    needed = {*ancestors(graph, ends), *kept}
    return graph.with_nodes(node for node in graph.nodes if node.name in needed)
