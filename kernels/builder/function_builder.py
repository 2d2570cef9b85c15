"""Functions, conditionals and loops with a GraphBuilder.

A body is written with a builder of its own; the tensors of an outer builder that it uses become arguments of
the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphfmt import dtypes
from ...graphfmt.attributes import Function
from ...graphfmt.dtypes import DType
from ...graphfmt.errors import invalid
from ...graphfmt.graph import Argument, FunctionDef, Node, endpoint
from ...graphfmt.shapes import UNKNOWN, Shape
from ..core.facts import Fact
from .graph_builder import GraphBuilder, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class BodyBuilder(GraphBuilder):
    """Writes the body of a function. ``captures`` are the outer tensors that it uses, each with the argument
    that stands for it."""

    def __init__(self, outer: GraphBuilder) -> None:
        super().__init__(library=outer.functions())
        self.outer = outer
        self.arguments: list[Tensor] = []
        self.captures: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}

    def argument(self, fact: Fact, name: str) -> Tensor:
        """Adds an argument."""
        node = Node(self.unique_name(name), "Placeholder", attrs={"dtype": fact.dtype, "shape": fact.shape})
        self.replace_node(node, (fact,))
        self.arguments.append(Tensor(self, node.name))
        return self.arguments[-1]

    def captured(self, tensor: Tensor) -> Tensor:
        if tensor.builder is self:
            return tensor
        outer = self.outer.captured(tensor)
        key = (id(outer.builder), outer.name)
        if key not in self.captures:
            fact = outer.fact
            kept = Fact(fact.dtype.base, fact.shape, handle=fact.handle)
            self.captures[key] = (outer, self.argument(kept, argument_name(outer.node)))
        return self.captures[key][1]

    def own_tensors(self, values: Iterable[Any]) -> list[Tensor]:
        """Returns tensors of this builder for the results of a body."""
        return [self.captured(v) if isinstance(v, Tensor) else self.constant(v) for v in values]


def as_list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def definition(
    name: str,
    nodes: Iterable[Node],
    arguments: Sequence[tuple[str, DType]],
    results: Sequence[tuple[str, DType]],
    output_names: Callable[[Node], Sequence[str]],
    *,
    always: Sequence[str] = (),
    is_stateful: bool = False,
) -> FunctionDef:
    """Returns a FunctionDef of the nodes of a graph.

    Args:
        arguments: the placeholders that are the arguments.
        results: the outputs, as inputs are written, that are the results.
        output_names: a node's outputs as a function's inputs are written.
        always: nodes that run even if no result needs them.
    """
    by_name = {node.name: node for node in nodes}
    given = {name for name, _ in arguments}
    outputs: dict[str, Sequence[str]] = {}

    def written(text: str) -> str:
        source = endpoint(text)
        if source.is_control:
            return text
        if source.node in given:
            return argument_name(source.node)
        if source.node not in outputs:
            outputs[source.node] = output_names(by_name[source.node])
        return f"{source.node}:{outputs[source.node][source.port]}"

    body = tuple(
        Node(n.name, n.op, tuple(map(written, n.inputs)), n.attrs, n.device, n.offset, n.debug)
        for n in by_name.values()
        if n.name not in given
    )
    returned = {f"result_{i}": written(text) for i, (text, _) in enumerate(results)}
    return FunctionDef(
        name,
        tuple(Argument(argument_name(n), dtype.number) for n, dtype in arguments),
        tuple(Argument(key, dtype.number) for key, (_, dtype) in zip(returned, results)),
        body,
        returned,
        {node: node for node in always},
        is_stateful=is_stateful,
        signature_unknown_fields=_control_outputs(always),
    )


def argument_name(node: str) -> str:
    """Returns a name for an argument: TensorFlow allows letters, digits and underscores only, lower case in front."""
    name = "".join(c if c.isalnum() else "_" for c in node)
    return name if name[:1].isalpha() else f"a{name}"


def _control_outputs(names: Sequence[str]) -> bytes:
    if not names:
        return b""
    from ...graphfmt.proto.graph_pb2 import OpDef

    return OpDef(control_output=names).SerializeToString(deterministic=True)


def output_names(g: GraphBuilder, node: Node) -> list[str]:
    """Returns the outputs of a node as the inputs of a function body are written."""
    signature = g.op(node.op).signature
    attrs = {**signature.defaults, **node.attrs}
    return [f"{arg.name}:{i}" for arg in signature.outputs for i in range(len(arg.types(attrs)))]


def finish(body: BodyBuilder, name: str, results: Sequence[Tensor]) -> str:
    """Adds the function of a body to the library; returns its name."""
    nodes = list(body.graph().nodes)
    stateful = [n.name for n in nodes if body.op(n.op).stateful]
    made = definition(
        unique_function_name(body, name),
        nodes,
        [(a.node, a.dtype) for a in body.arguments],
        [(r.name, r.dtype) for r in results],
        lambda node: output_names(body, node),
        always=stateful,
        is_stateful=bool(stateful),
    )
    body.add_function(made)
    return made.name


def unique_function_name(g: GraphBuilder, name: str) -> str:
    """Returns a name that no function has."""
    name = "".join(c if c.isalnum() or c in "_." else "_" for c in name)
    definitions: Mapping[str, Any] = g.functions().definitions
    found, number = name, 0
    while found in definitions:
        number += 1
        found = f"{name}_{number}"
    return found


def add_function(g: GraphBuilder, name: str, body: Callable[..., Any], arguments: Sequence[Any]) -> str:
    """See ``GraphBuilder.function``."""
    if name in g.functions().definitions:
        raise invalid(f"function {name!r} is defined already")
    inner = BodyBuilder(g)
    given = [inner.argument(_fact(a), f"x{i}") for i, a in enumerate(arguments)]
    results = inner.own_tensors(as_list(body(inner, *given)))
    if inner.captures:
        used = ", ".join(repr(outer.name) for outer, _ in inner.captures.values())
        raise invalid(f"function {name!r} uses tensors of the graph, which it must be given: {used}")
    return finish(inner, name, results)


def _fact(argument: Any) -> Fact:
    dtype, shape = argument if isinstance(argument, tuple) else (argument, None)
    parsed = dtypes.parse(dtype) if isinstance(dtype, str) else dtype
    if not isinstance(parsed, DType):
        raise invalid(f"an argument of a function is a dtype, or a dtype and a shape, not {argument!r}")
    return Fact(parsed, shape if isinstance(shape, Shape) else Shape(None if shape is None else tuple(shape)))


def add_cond(
    g: GraphBuilder,
    pred: Any,
    true_fn: Callable[[GraphBuilder], Any],
    false_fn: Callable[[GraphBuilder], Any],
    name: str | None,
) -> Any:
    """See ``GraphBuilder.cond``."""
    label = name or "cond"
    branches = [BodyBuilder(g), BodyBuilder(g)]
    given = [fn(branch) for fn, branch in zip((true_fn, false_fn), branches)]
    results = [branch.own_tensors(as_list(found)) for branch, found in zip(branches, given)]
    types = [[t.dtype for t in found] for found in results]
    if types[0] != types[1]:
        raise invalid(
            f"the branches of a conditional must give the same types, not {types[0]} and {types[1]}"
        )
    captures = share_captures(branches)
    functions = [finish(b, f"{label}_{end}", r) for b, end, r in zip(branches, ("true", "false"), results)]
    stateful = any(g.functions().definitions[f].is_stateful for f in functions)
    shapes = [a.shape if a.shape == b.shape else UNKNOWN for a, b in zip(*results)]
    found = g.add_op(
        "If" if stateful else "StatelessIf",
        pred,
        captures,
        Tout=types[0],
        then_branch=Function(functions[0]),
        else_branch=Function(functions[1]),
        output_shapes=shapes,
        name=label,
    )
    return found if isinstance(given[0], list | tuple) or not found else found[0]


def share_captures(bodies: Sequence[BodyBuilder], first: int = 0) -> list[Tensor]:
    """Gives all bodies the same captures in the same order, after their ``first`` arguments; returns the captures."""
    together = {key: outer for body in bodies for key, (outer, _) in body.captures.items()}
    for body in bodies:
        body.arguments = body.arguments[:first] + [body.captured(outer) for outer in together.values()]
    return list(together.values())


def add_while(
    g: GraphBuilder,
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Sequence[Any],
    parallel_iterations: int,
    name: str | None,
) -> list[Tensor]:
    """See ``GraphBuilder.while_loop``."""
    label = name or "while"
    start = [v if isinstance(v, Tensor) else g.constant(v) for v in loop_vars]
    shapes = [s.shape for s in start]
    while True:
        bodies = [BodyBuilder(g), BodyBuilder(g)]
        args = [
            [
                b.argument(Fact(s.dtype, shape, handle=s.fact.handle), f"x{i}")
                for i, (s, shape) in enumerate(zip(start, shapes))
            ]
            for b in bodies
        ]
        (test,) = bodies[0].own_tensors(as_list(cond(bodies[0], *args[0])))
        after = bodies[1].own_tensors(as_list(body(bodies[1], *args[1])))
        if [t.dtype for t in after] != [s.dtype for s in start]:
            raise invalid(
                f"the body of a loop must give the types of the loop variables, {[s.dtype for s in start]}, "
                f"not {[t.dtype for t in after]}"
            )
        wider = [s if s == t.shape else _common(s, t.shape) for s, t in zip(shapes, after)]
        if wider == shapes:
            break
        shapes = wider
    captures = share_captures(bodies, len(start))
    inner = [bodies[1].captured(c) for c in captures]
    functions = [
        finish(bodies[0], f"{label}_cond", [test]),
        finish(bodies[1], f"{label}_body", [*after, *inner]),
    ]
    stateful = any(g.functions().definitions[f].is_stateful for f in functions)
    found = g.add_op(
        "While" if stateful else "StatelessWhile",
        [*start, *captures],
        cond=Function(functions[0]),
        body=Function(functions[1]),
        output_shapes=[*shapes, *(c.shape for c in captures)],
        parallel_iterations=parallel_iterations,
        name=label,
    )
    return found[: len(start)]


def _common(a: Shape, b: Shape) -> Shape:
    if a.dims is None or b.dims is None or len(a.dims) != len(b.dims):
        return UNKNOWN
    return Shape(tuple(x if x == y else None for x, y in zip(a.dims, b.dims)))
