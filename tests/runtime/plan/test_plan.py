"""Random graphs: what a session makes of them is what running them node by node gives, bit for bit, however
they are written down, whatever is fed and fetched; and it writes into nothing that is not its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node
from tfg.graphfmt.proto import binary
from tfg.graphfmt.text import reader, writer
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.kernels.core import binding, registry
from tfg.kernels.families.state.variables import Variable
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.ref_reads import reread_updated_references

from tests import reference

modest = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# The batch is not known before it is fed.
BATCH, WIDTH = 3, 4
STEPS = 3


@dataclass
class Made:
    """A random graph while it grows. ``values`` says what each tensor was when it was added, so that only
    nodes that can be computed are used; ``last`` names the last node that used each variable, which the
    next one waits for."""

    pick: random.Random
    g: GraphBuilder = field(default_factory=GraphBuilder)
    context: reference.Context = field(default_factory=reference.Context)
    feeds: dict[str, Any] = field(default_factory=dict)
    values: dict[tuple[str, int], Any] = field(default_factory=dict)
    floats: list[Tensor] = field(default_factory=list)
    integers: list[Tensor] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)
    variables: list[tuple[Tensor, bool]] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)
    chain: set[str] = field(default_factory=set)
    targets: list[str] = field(default_factory=list)

    def enter(self, name: str, dtype: str, shape: Any, value: Any) -> Tensor:
        tensor = self.g.placeholder(dtype, shape, name=name)
        self.feeds[name] = self.values[name, 0] = value
        return tensor

    def add(self, op: str, *inputs: Any, **attrs: Any) -> list[Tensor]:
        """A node's outputs; none if it cannot be computed."""
        try:
            self.g.add_op(op, *inputs, name=f"n{len(self.values)}_{op}", **attrs)
        except TfgError:
            return []
        graph = self.g.graph()
        fresh = [n for n in graph.nodes if (n.name, 0) not in self.values]
        try:
            for node in fresh:
                facts = {e.node: self.g.facts_of(e.node) for e in node.data_inputs}
                outputs = computed(node, facts, self.values, self.context)
                self.values[node.name, 0] = None
                self.values.update({(node.name, port): v for port, v in enumerate(outputs)})
        except (TfgError, ValueError):
            self.values[fresh[-1].name, 0] = None
            return []
        return self.g.view(fresh[-1].name).outputs

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The shape that a tensor really has."""
        return np.shape(self.values[tensor.node, tensor.port])

    def float(self, rank: int | None = None) -> Tensor:
        """Any tensor of that rank, a recent one more often than not."""
        of_rank = [t for t in self.floats if rank is None or len(self.shape(t)) == rank]
        return self.pick.choice(of_rank[-4:] if self.pick.random() < 0.8 else of_rank)


def computed(node: Node, facts: Any, values: Any, context: Any) -> list[Any]:
    """A node's outputs, from the values of its inputs."""
    op = registry.get(node.op)
    bound = op.signature.bind(node)
    inputs = [values[e.node, e.port] for e in node.data_inputs]
    arguments = [
        v.read() if isinstance(v, Variable) and not t.is_ref and t.name != "resource" else v
        for v, t in zip(inputs, bound.input_types)
    ]
    kernel = binding.bind(op, node, bound, [facts[e.node][e.port] for e in node.data_inputs], np)
    with np.errstate(all="ignore"):
        result = kernel(*([context] if op.takes_context else []), *arguments)
    flat = len(bound.output_types) != 1 or any(a.is_list for a in op.signature.outputs)
    return list(result) if flat else [result]


def start(pick: random.Random) -> Made:
    """Placeholders whose shapes are known, half known and unknown; constants; variables of both kinds."""
    made = Made(pick)
    matrices = np.random.RandomState(1).uniform(-2, 2, (2, BATCH, WIDTH)).astype(np.float32)
    made.floats = [
        made.enter("x", "float", [None, WIDTH], matrices[0]),
        made.enter("y", "float", [BATCH, WIDTH], matrices[1]),
        made.enter("s", "float", [], np.array(0.5, np.float32)),
        made.enter("u", "float", None, np.arange(WIDTH, dtype=np.float32) - 1),
        *made.add("Const", value=np.full((1, WIDTH), 0.25, np.float32), dtype="float"),
        *made.add("Const", value=np.float32(2), dtype="float"),
    ]
    made.integers = [
        made.enter("n", "int32", [2], np.array([2, 5], np.int32)),
        *made.add("Const", value=np.int32(3), dtype="int32"),
    ]
    made.others = []
    for name, by_handle in (("ref", False), ("handle", True)):
        initial = np.ones([WIDTH] if pick.random() < 0.7 else [], np.float32)
        shape = None if pick.random() < 0.2 else initial.shape
        value = made.add("Const", value=initial, dtype="float")[0]
        if by_handle:
            variable = made.g.VarHandleOp(dtype="float", shape=shape, shared_name=name, name=name)
        else:
            variable = made.g.VariableV2(dtype="float", shape=shape, name=name)
        made.add("AssignVariableOp" if by_handle else "Assign", variable, value)
        made.variables.append((variable, by_handle))
    inits = [n.name for n in made.g.graph().nodes if "Assign" in n.op]
    made.values[made.g.group(*inits, name="init"), 0] = None
    return made


# What a graph grows by.


def elementwise(m: Made) -> None:
    name = m.pick.choice(["AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "Div", "Add"])
    m.floats += m.add(name, m.float(), m.float())


def alone(m: Made) -> None:
    names = ["Neg", "Exp", "Tanh", "Relu", "Square", "Abs", "Sigmoid", "Floor", "ZerosLike", "OnesLike"]
    m.floats += m.add(m.pick.choice(names), m.float())


def passed_on(m: Made) -> None:
    m.floats += m.add(m.pick.choice(["Identity", "StopGradient", "Snapshot", "PreventGradient"]), m.float())
    m.floats += m.add("IdentityN", [m.float(), m.float()])


def reshaped(m: Made) -> None:
    x = m.float()
    way = m.pick.randrange(4)
    if way == 0:
        m.floats += m.add("Reshape", x, np.array([-1], np.int32))
    elif way == 1:
        m.floats += m.add("Reshape", m.float(), m.add("Shape", x)[0])
    elif way == 2:
        m.floats += m.add("Squeeze", m.add("ExpandDims", x, np.int32(0))[0], squeeze_dims=[0])
    else:
        m.floats += m.add("Transpose", m.float(2), np.array([1, 0], np.int32))


def reduced(m: Made) -> None:
    axes = np.array(m.pick.choice([[0], [1], [-1], [0, 1]]), np.int32)
    name = m.pick.choice(["Sum", "Mean", "Max", "Min", "Prod"])
    m.floats += m.add(name, m.float(2), axes, keep_dims=m.pick.random() < 0.5)


def product(m: Made) -> None:
    m.floats += m.add("MatMul", m.float(2), m.float(2), transpose_b=m.pick.random() < 0.7)


def joined(m: Made) -> None:
    x, axis = m.float(2), np.int32(m.pick.choice([0, 1]))
    twice = m.add("ConcatV2", [x, m.float(2)], axis) or m.add("ConcatV2", [x, x], axis)
    m.floats += m.add("Split", axis, twice[0], num_split=2)
    m.floats += m.add("Unpack", m.add("Pack", [x, x])[0], num=2)


def sliced(m: Made) -> None:
    x = m.float(2)
    m.floats += m.add("Slice", x, np.array([0, 1], np.int32), np.array([-1, 2], np.int32))
    strides = np.array([1, m.pick.choice([-1, 2])], np.int32)
    ends = np.zeros(2, np.int32)
    m.floats += m.add("StridedSlice", x, ends, ends, strides, begin_mask=3, end_mask=3)


def spread(m: Made) -> None:
    m.floats += m.add("BroadcastTo", m.float(1), np.array([BATCH, WIDTH], np.int32))
    m.floats += m.add("Fill", np.array([WIDTH], np.int32), m.float(0))


def chosen(m: Made) -> None:
    condition = m.add(m.pick.choice(["Greater", "LessEqual", "Equal"]), m.float(), m.float())
    m.others += condition
    for c in condition:
        m.floats += m.add("SelectV2", c, m.float(), m.float()) + m.add("Cast", c, DstT="float")


def counted(m: Made) -> None:
    name = m.pick.choice(["AddV2", "Mul", "Maximum", "FloorMod", "Sub"])
    m.integers += m.add(name, m.pick.choice(m.integers), m.pick.choice(m.integers))
    shape = m.add("Shape", m.float())[0]
    m.integers += m.add("Prod", shape, np.int32(0))
    m.others += [shape, *m.add("Size", m.float()), *m.add("Rank", m.float())]
    m.floats += m.add("Cast", m.pick.choice(m.integers), DstT="float")


def summed(m: Made) -> None:
    x = m.float()
    m.floats += m.add("AddN", [x, m.add("Neg", x)[0], x][: m.pick.randint(1, 3)])


def state(m: Made) -> None:
    """A read or an update, after all that the graph has done to the variable before."""
    variable, by_handle = m.pick.choice(m.variables)
    before = [m.last[variable.node]] if variable.node in m.last else []
    held = m.context.resources["", variable.node, Variable]
    with m.g.control_dependencies(before):
        name = m.pick.choice(["read", "read", "Assign", "AssignAdd", "AssignSub"])
        if name == "read":
            found = (
                m.add("ReadVariableOp", variable, dtype="float") if by_handle else m.add("Identity", variable)
            )
            m.floats += found
        else:
            fitting = [t for t in m.floats if m.shape(t) == held.value.shape]
            value = m.pick.choice(fitting or m.add("Const", value=held.value * 2, dtype="float"))
            if by_handle:
                name = "AssignVariableOp" if name == "Assign" else f"{name}VariableOp"
            m.add(name, variable, value)
            m.targets.append(next(reversed(m.values))[0])
    m.last[variable.node] = next(reversed(m.values))[0]
    m.chain.add(m.last[variable.node])


KINDS: list[tuple[Callable[[Made], None], int]] = [
    *((elementwise, 12), (alone, 6), (passed_on, 2), (reshaped, 4), (reduced, 2), (product, 1), (joined, 1)),
    *((sliced, 2), (spread, 1), (chosen, 1), (counted, 1), (summed, 1), (state, 4)),
]


@dataclass
class Asked:
    """A graph and a step of it."""

    graph: Graph
    fetches: list[str]
    feeds: dict[str, Any]
    targets: list[str]


def asked(seed: int) -> Asked:
    pick = random.Random(seed)
    made = start(pick)
    kinds, weights = zip(*KINDS)
    for grow in pick.choices(kinds, weights, k=pick.randint(3, 50)):
        grow(made)
    graph = made.g.graph()
    feeds = dict(made.feeds)
    single = [t for t in made.floats if t.node not in feeds and _may_be_fed(made, t)]
    for tensor in pick.sample(single, min(len(single), pick.choice([0, 0, 1, 2]))):
        feeds[tensor.name] = np.array(made.values[tensor.node, tensor.port]) + np.float32(1)
    everything = [t for t in (*made.floats, *made.integers, *made.others) if t.name not in feeds]
    late = [t for t in made.floats[-5:] if t.name not in feeds]
    fetches = [t.name for t in (*late, *pick.choices(everything, k=pick.randint(1, 4)))]
    targets = pick.sample(made.targets, min(len(made.targets), pick.randint(0, 2)))
    return Asked(graph, fetches, feeds, targets)


def _may_be_fed(made: Made, tensor: Tensor) -> bool:
    """Reads keep the order of what happens to a variable, and the reference feeds whole nodes."""
    view = made.g.view(tensor.node)
    return len(view.outputs) == 1 and tensor.node not in made.chain


def bits(value: Any) -> tuple[Any, ...]:
    array = np.asarray(value)
    return array.dtype, array.shape, array.tobytes()


def results(step: Asked, graph: Graph) -> list[list[tuple[Any, ...]]]:
    """The values that a session of the graph fetches, step after step."""
    session = Session(graph)
    session.run(targets=["init"])
    fed = {name: np.array(value) for name, value in step.feeds.items()}
    kept: list[list[Any]] = []
    seen: list[list[tuple[Any, ...]]] = []
    for _ in range(STEPS):
        kept.append(session.run(step.fetches, fed, step.targets))
        seen.append([bits(v) for v in kept[-1]])
    assert [[bits(v) for v in values] for values in kept] == seen, "a fetched array changed later"
    for name, value in step.feeds.items():
        assert bits(fed[name]) == bits(value), f"the step wrote into what was fed to {name}"
    return seen


def plain_results(step: Asked) -> list[list[tuple[Any, ...]]]:
    context = reference.Context()
    graph = reread_updated_references(step.graph)
    reference.run(graph, ["init"], {}, context)
    seen: list[list[tuple[Any, ...]]] = []
    for _ in range(STEPS):
        context.step_id += 1
        found = reference.run(graph, [*step.fetches, *step.targets], step.feeds, context)
        seen.append([bits(v) for v in found[: len(step.fetches)]])
    return seen


seeds = st.integers(0, 2**32)


@modest
@given(seeds)
def test_a_session_computes_what_the_reference_does(seed: int) -> None:
    step = asked(seed)
    assert results(step, step.graph) == plain_results(step)


@modest
@given(seeds)
def test_the_order_of_nodes_in_the_file_does_not_matter(seed: int) -> None:
    step = asked(seed)
    nodes = list(step.graph.nodes)
    random.Random(seed).shuffle(nodes)
    assert results(step, step.graph.with_nodes(nodes)) == results(step, step.graph)


@modest
@given(seeds)
def test_a_graph_written_and_read_gives_the_same(seed: int) -> None:
    step = asked(seed)
    expected = results(step, step.graph)
    text = reader.read_graph(writer.write_graph(step.graph), "graph.pbtxt")
    assert results(step, text) == expected
    assert results(step, binary.graph_from_bytes(binary.graph_to_bytes(step.graph), "graph.pb")) == expected


def test_a_reference_is_read_again_after_an_update() -> None:
    g = GraphBuilder()
    v = g.VariableV2(shape=[2], dtype="float", name="v")
    g.Assign(v, np.zeros(2, np.float32), name="init")
    read = g.Identity(v, name="read")
    update = g.AssignAdd(v, read + 1.0, name="update")
    with g.control_dependencies([update]):
        g.Neg(read, name="after")
        g.AddV2(g.AssignAdd(v, read, name="again"), read, name="twice")
    session = Session(g.graph())
    session.run(targets=["init"])
    assert session.run(["after"])[0].tolist() == [-1, -1]
    session.run(targets=["init"])
    assert session.run(["twice"])[0].tolist() == [4, 4]
