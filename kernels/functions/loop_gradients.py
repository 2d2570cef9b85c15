"""Gradients of loops whose body is a library function.

The forward loop counts its iterations and pushes the values that the gradients need onto lists, one element per
iteration; a backward loop pops them, from the last to the first. Loop invariants are not pushed, and their gradients
are summed over the iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt import dtypes
from ...graphfmt.attributes import Function
from ...graphfmt.errors import invalid
from ...graphfmt.graph import Node, endpoint
from ...graphfmt.shapes import SCALAR
from ...graphfmt.traversal import ancestors, reachable_from
from ..builder.graph_builder import GraphBuilder, Tensor
from ..core.facts import Fact, carries_gradient
from .differentiation import (
    Differentiated,
    add_definition,
    differentiate,
    placeholder,
    zeros,
)
from .library import joined_shape
from .saved_values import element_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..builder.node_view import GradientNode
    from .instantiation import Instance


def while_gradient(g: GraphBuilder, node: GradientNode, dys: Sequence[Any]) -> list[Any]:
    """Adds the gradients of the inputs of a loop: a backward loop."""
    body: Any = node.node.attrs["body"]
    instance = g.functions().instance(body)
    # The facts of the outputs hold for the loop variables in every iteration.
    facts = list(g.facts_of(node.name))
    carried, resources = _carried(instance, dys, node.wanted)
    if not carried:
        return [None] * len(facts)
    inputs = node.inputs
    starts = {i: dys[i] if dys[i] is not None else zeros(g, Tensor(g, node.name, i)) for i in carried}
    dy = [facts[i]._replace(constant=None, elements=None) if i in starts else None for i in range(len(facts))]
    made = differentiate(
        g, node.backpropagate, body, facts, dy, [i in starts or i in resources for i in range(len(facts))]
    )
    b = made.b
    for i in carried:
        if made.gradients[i] is None:
            made.gradients[i] = zeros(b, made.args[i])
    used = [i for i in resources if made.gradients[i] is not None]
    for i in used:
        if not instance.is_passed_on(i):
            raise invalid(f"loop variable {i} is a resource that changes, which has no gradient")
        total = placeholder(b, "total", _dense(facts[i]))
        made.dys[i] = total
        made.gradients[i] = b.AddN([total, made.gradients[i]])
    constant = [i for i in range(len(facts)) if instance.is_passed_on(i)]
    saved = made.split(kept_args=constant)
    count, lists = _record(g, node, made, saved)
    taken = [*carried, *used]
    first = [*(starts[i] for i in carried), *(zeros(g, inputs[i]) for i in used)]
    kept = _read_args(made, constant)
    loop = _backward(g, made, saved, taken, [count, *lists, *first, *(inputs[i] for i in kept)], kept)
    found: list[Any] = [None] * len(facts)
    for i, gradient in zip(taken, loop[1 + len(lists) :]):
        found[i] = gradient
    for i in used:
        if dys[i] is not None:
            found[i] = g.AddN([found[i], dys[i]])
    return found


def _dense(fact: Fact) -> Fact:
    if fact.handle is None:
        raise invalid("a resource in a loop has no gradient, because it is no known variable")
    return Fact(fact.handle.dtype, fact.handle.shape)


def _carried(instance: Instance, dys: Sequence[Any], wanted: Sequence[bool]) -> tuple[list[int], list[int]]:
    """The loop variables whose gradients go from iteration to iteration, and the resources that have some:
    those that something with a gradient depends on, and that depend on something wanted."""
    depends = [_arguments_behind(instance, text) for text in instance.results]
    able = [carries_gradient(dtype) for dtype in instance.arg_types]
    resource = [dtype.name == "resource" for dtype in instance.arg_types]
    below = {i for i, dy in enumerate(dys) if dy is not None and not resource[i]}
    above = {i for i, there in enumerate(wanted) if there and able[i]}
    while True:
        more = {i for j in below for i in depends[j] if able[i] and not resource[i]}
        further = {j for j in range(len(depends)) if able[j] and depends[j] & above}
        if more <= below and further <= above:
            break
        below |= more
        above |= further
    carried = sorted(below & above)
    behind = {i for j in carried for i in depends[j] if resource[i] and wanted[i]}
    return carried, sorted(behind)


def _arguments_behind(instance: Instance, end: str) -> set[int]:
    """Returns the positions of the arguments that a result depends on."""
    places = {name: i for i, name in enumerate(instance.args)}
    behind = ancestors(instance.graph, [endpoint(end).node], data_only=True)
    return {places[name] for name in behind if name in places}


def _record(
    g: GraphBuilder, node: GradientNode, made: Differentiated, saved: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Makes the forward loop count its iterations and save the values; returns the count and the lists."""
    b, body = made.b, made.function
    facts = [Fact(t.dtype, t.shape) for t in saved]
    with g.in_frame_of(node.name):
        zero = g.constant(np.int32(0))
        empty = [
            g.add_op("EmptyTensorList", element_shape(g, f), -1, element_dtype=f.dtype, shape_type="int32")
            for f in facts
        ]
    number = placeholder(b, "iteration", Fact(dtypes.int32, SCALAR))
    lists = [placeholder(b, "list", Fact(dtypes.variant, SCALAR)) for _ in saved]
    more = [
        b.AddV2(number, 1),
        *(b.add_op("TensorListPushBack", a, t, element_dtype=t.dtype) for a, t in zip(lists, saved)),
    ]
    index = b.graph().index
    names = _behind(index, [t.node for t in more], made.forward)
    extra = [number, *lists]
    arguments = [*zip(made.instance.args, made.instance.arg_types), *((t.node, t.dtype) for t in extra)]
    forward = add_definition(
        b,
        f"{body.name}_forward",
        [index[n] for n in index if n in made.forward or n in names],
        arguments,
        [*zip(made.instance.results, made.instance.result_types), *((t.name, t.dtype) for t in more)],
        made.instance.targets,
    )
    cond = _condition(g, node.node.attrs["cond"], extra)
    old = g.facts_of(node.name)
    outputs = (*old, *(t.fact for t in extra))
    attrs = {
        **node.node.attrs,
        "T": tuple(f.dtype for f in outputs),
        "cond": cond,
        "body": forward,
        "output_shapes": tuple(f.shape for f in outputs),
    }
    data = [t.name for t in (*node.inputs, zero, *empty)]
    controls = [text for text in node.node.inputs if text.startswith("^")]
    g.replace_node(Node(node.name, node.node.op, (*data, *controls), attrs, node.node.device), outputs)
    ports = range(len(old), len(outputs))
    count, *found = [Tensor(g, node.name, port) for port in ports]
    return count, found


def _behind(index: Any, ends: Sequence[str], stop: set[str]) -> set[str]:
    """Returns the nodes that ``ends`` depend on by data edges, up to those in ``stop``."""

    def producers(name: str) -> list[str]:
        return [e.node for e in index[name].data_inputs if e.node not in stop]

    return set(reachable_from((end for end in ends if end not in stop), producers))


def _condition(g: GraphBuilder, cond: Any, extra: Sequence[Tensor]) -> Function:
    """Adds the condition of a loop with further loop variables."""
    instance = g.functions().instance(cond)
    b = GraphBuilder(instance.graph, library=g.functions())
    given = [placeholder(b, "more", t.fact) for t in extra]
    arguments = [*zip(instance.args, instance.arg_types), *((t.node, t.dtype) for t in given)]
    results = list(zip(instance.results, instance.result_types))
    nodes = list(b.graph().nodes)
    return add_definition(b, f"{cond.name}_forward", nodes, arguments, results, instance.targets)


def _read_args(made: Differentiated, constant: Sequence[int]) -> list[int]:
    """Returns the loop invariants that the backward part reads."""
    nodes = made.backward_nodes([])
    read = {e.node for n in nodes for e in n.data_inputs} | {t.node for t in made.gradients if t is not None}
    return [i for i in constant if made.instance.args[i] in read]


def _backward(
    g: GraphBuilder,
    made: Differentiated,
    saved: Sequence[Tensor],
    taken: Sequence[int],
    start: Sequence[Tensor],
    kept: Sequence[int],
) -> list[Tensor]:
    """Adds the backward loop. Its variables are the number of iterations left, the lists, the gradients and the loop
    invariants."""
    b = made.b
    number = placeholder(b, "left", Fact(dtypes.int32, SCALAR))
    lists = [placeholder(b, "list", Fact(dtypes.variant, SCALAR)) for _ in saved]
    popped = [
        b.add_op("TensorListPopBack", a, element_shape(b, t.fact), element_dtype=t.dtype)
        for a, t in zip(lists, saved)
    ]
    fewer = b.Sub(number, 1)
    renamed = {t.name: value.name for t, (_, value) in zip(saved, popped)}
    gradients = [made.gradients[i] for i in taken]
    totals = [made.dys[i] for i in taken]
    unchanged = [made.args[i] for i in kept]
    variables = [number, *lists, *(t for t in totals if t is not None), *unchanged]
    results = [
        (fewer.name, fewer.dtype),
        *((rest.name, rest.dtype) for rest, _ in popped),
        *((renamed.get(t.name, t.name), t.dtype) for t in gradients if t is not None),
        *((t.name, t.dtype) for t in unchanged),
    ]
    index = b.graph().index
    nodes = {n.name: n for n in made.backward_nodes([(t, renamed[t.name]) for t in saved])}
    ends = [fewer.node, *(rest.node for rest, _ in popped)]
    nodes.update((name, index[name]) for name in _behind(index, ends, set(nodes)))
    nodes.update((v.node, index[v.node]) for v in variables)
    arguments = [(v.node, v.dtype) for v in variables]
    name = made.function.name
    body = add_definition(b, f"{name}_backward", list(nodes.values()), arguments, results)
    shapes = [joined_shape(v.shape, s.shape) for v, s in zip(variables, start)]
    stateful = g.functions().definition(body.name).is_stateful
    return g.add_op(
        "While" if stateful else "StatelessWhile",
        list(start),
        cond=_while_left(g, f"{name}_left", variables),
        body=body,
        output_shapes=shapes,
        name="loop",
    )


def _while_left(g: GraphBuilder, name: str, variables: Sequence[Tensor]) -> Function:
    """Adds the condition of the backward loop: true while iterations are left."""
    b = GraphBuilder(library=g.functions())
    given = [placeholder(b, f"x{i}", v.fact) for i, v in enumerate(variables)]
    test = b.Greater(given[0], 0)
    arguments = [(t.node, t.dtype) for t in given]
    return add_definition(b, name, list(b.graph().nodes), arguments, [(test.name, test.dtype)])
