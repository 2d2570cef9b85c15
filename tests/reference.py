"""The plainest way to run a graph: node after node, everything kept. Plans are held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, endpoint
from tfg.kernels.core import binding, registry
from tfg.kernels.core.inference import infer_graph, topological_order
from tfg.kernels.families.state.variables import Variable
from tfg.kernels.functions.library import Library, graph_library


class Context:
    """A StepContext over a dictionary."""

    def __init__(self) -> None:
        self.step_id = 1
        self.depth = 0
        self.resources: dict[tuple[str, str, type], Any] = {}
        self.lines: list[str] = []

    def resource(self, container: str, name: str, kind: type, make: Any) -> Any:
        return self.resources.setdefault((container, name, kind), None) or self._make(
            container, name, kind, make
        )

    def _make(self, container: str, name: str, kind: type, make: Any) -> Any:
        made = self.resources[container, name, kind] = make()
        return made

    def log(self, text: str) -> None:
        self.lines.append(text)

    def check_cancelled(self) -> None:
        pass


class Call:
    """A function: its whole body is run anew with every call, and nothing is kept."""

    def __init__(self, library: Library, function: Any, node: Any) -> None:
        self.library = library
        self.function = function
        self.node = node

    def __call__(self, context: Any, /, *values: Any) -> list[Any]:
        made = self.library.instance(self.function)
        ends = [*made.results, *made.always(self.node)]
        feeds = dict(zip(made.args, values))
        return run(made.graph, ends, feeds, context, self.library)[: len(made.results)]

    def repeat(self, context: Any, body: Call, state: Any, is_true: Any) -> Any:
        while is_true(self(context, *state)[0]):
            state = body(context, *state)
        return state

    def given(self, facts: Any) -> Call:
        return self

    def infer(self, facts: Any) -> Any:
        return self.library.infer(self.function, facts)

    def is_passed_on(self, position: int) -> bool:
        return self.library.instance(self.function).is_passed_on(position)

    def gradient(self, inputs: Any, outputs: Any) -> Call:
        from tfg.runtime.passes.gradients.symbolic_gradient import symbolic_gradient

        return Call(self.library, symbolic_gradient(self.library, self.function), self.node)


def run(
    graph: Graph,
    fetches: Sequence[str],
    feeds: Mapping[str, Any],
    context: Context | None = None,
    library: Library | None = None,
) -> list[Any]:
    """The values of the fetches (a node name without outputs may be among them, and gives None)."""
    context = context or Context()
    library = library or graph_library(graph)
    values: dict[tuple[str, int], Any] = {(endpoint(k).node, endpoint(k).port): v for k, v in feeds.items()}
    fed = {name for name, _ in values}
    facts = infer_graph(graph, None, library)
    needed = _ancestors(graph, [endpoint(f).node for f in fetches], fed)
    for node in topological_order(graph, fed):
        if node.name in needed and node.name not in fed:
            try:
                outputs = call(node, facts, values, context, library)
            except TfgError as error:
                raise graph.error_at(error, node.name) from None
            for port, value in enumerate(outputs):
                values[node.name, port] = value
    return [_fetched(values, facts, endpoint(f)) for f in fetches]


def _fetched(values: Any, facts: Any, fetch: Any) -> Any:
    """A value; a reference is read, a resource is not."""
    value = values.get((fetch.node, fetch.port))
    return (
        value.read() if isinstance(value, Variable) and facts[fetch.node][fetch.port].dtype.is_ref else value
    )


def _ancestors(graph: Graph, names: Sequence[str], fed: set[str]) -> set[str]:
    needed: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            if name not in fed:
                stack.extend(endpoint(i).node for i in graph[name].inputs)
    return needed


def call(node: Any, facts: Any, values: Any, context: Context, library: Library | None) -> list[Any]:
    op = registry.get(node.op, library)
    bound = op.signature.bind(node)
    inputs = [values[e.node, e.port] for e in node.data_inputs]
    arguments = [
        v.read() if isinstance(v, Variable) and not t.is_ref and t.name != "resource" else v
        for v, t in zip(inputs, bound.input_types)
    ]
    input_facts = [facts[e.node][e.port] for e in node.data_inputs]
    functions = (lambda function, node: Call(library, function, node)) if library is not None else None
    function = binding.bind(op, node, bound, input_facts, np, functions)
    with np.errstate(all="ignore"):
        result = function(context, *arguments) if op.takes_context else function(*arguments)
    flat = len(bound.output_types) != 1 or any(a.is_list for a in op.signature.outputs)
    return list(result) if flat else [result]
