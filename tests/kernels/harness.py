"""One row per operation and case. What TensorFlow computes for each row is recorded in ``golden/``; the
default suite compares with that, the oracle suite with TensorFlow itself, and
``python -m tests.oracle.record math_ops`` records it anew.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import PRODUCER, Endpoint, Graph, Node, Versions, endpoint
from tfg.graphfmt.signatures import OpSignature
from tfg.kernels.builder.graph_builder import GraphBuilder, Tensor
from tfg.kernels.core import registry
from tfg.kernels.core.inference import infer_graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.gradients import backpropagation

# A folder per domain, each with the tables of its families and what was recorded for them.
TABLES = Path(__file__).parent / "families"

# Relative tolerances where a row names none: a few units in the last place.
TOLERANCE = {
    "half": 2e-3,
    "bfloat16": 1.6e-2,
    "float": 2e-6,
    "double": 1e-12,
    "complex64": 4e-6,
    "complex128": 1e-12,
}


@dataclass(frozen=True, eq=False)
class Case:
    """``inputs`` are arrays, or lists of arrays for list arguments; ``attrs`` as GraphBuilder takes them.

    ``grad`` also compares the gradients of all floating inputs. ``tol`` is relative (and absolute against
    the largest element); 0 asks for equal bits. Outputs at the positions ``unset`` are not compared: those
    that TensorFlow leaves uninitialized or shapes differently with and without oneDNN.

    A row with ``build`` is a graph of several nodes, and ``op`` but its name: ``build`` takes a builder and
    the inputs as tensors, whose shapes are not known before the step, and gives the outputs. ``producer`` is
    the version that the graph states, for operations that later ones do not have.
    """

    op: str
    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    tol: float | None = None
    grad: bool = False
    unset: tuple[int, ...] = ()
    build: Callable[..., Any] | None = None
    producer: int = PRODUCER

    def __str__(self) -> str:
        shown = ",".join(_brief(x) for x in self.inputs)
        attrs = ",".join(f"{k}={v}" for k, v in self.attrs.items())
        return f"{self.op}({shown};{attrs})"[:120]


def case(
    op: str,
    *inputs: Any,
    tol: float | None = None,
    grad: bool = False,
    unset: Sequence[int] = (),
    **attrs: Any,
) -> Case:
    """A row of a test table."""
    converted = tuple([_array(x) for x in v] if isinstance(v, list) else _array(v) for v in inputs)
    return Case(op, converted, attrs, tol, grad, tuple(unset))


def graph_case(
    name: str,
    build: Callable[..., Any],
    *inputs: Any,
    grad: bool = False,
    tol: float | None = None,
    producer: int = PRODUCER,
) -> Case:
    """A row of a test table for a graph of several nodes; see ``Case``."""
    return Case(name, tuple(_array(v) for v in inputs), {}, tol, grad, build=build, producer=producer)


def _array(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "SU":
        flat = [x.encode() if isinstance(x, str) else x for x in array.reshape(-1).tolist()]
        encoded = np.empty(array.size, object)
        encoded[:] = flat
        return encoded.reshape(array.shape)
    return array


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_brief, value)) + "]"
    return f"{value.dtype}{list(value.shape)}".replace(" ", "")


def f32(value: Any) -> Any:
    return np.asarray(value, np.float32)


def f64(value: Any) -> Any:
    return np.asarray(value, np.float64)


def i32(value: Any) -> Any:
    return np.asarray(value, np.int32)


def i64(value: Any) -> Any:
    return np.asarray(value, np.int64)


def of(dtype: str, value: Any) -> Any:
    """An array of any dtype by TensorFlow's name: ``of("bfloat16", [1, 2])``."""
    return np.asarray(value).astype(dtypes.BY_NAME[dtype].numpy)


def rand(*shape: int, seed: int = 0, dtype: str = "float", low: float = -2, high: float = 2) -> Any:
    """Reproducible made-up values."""
    values = np.random.RandomState(seed + 7 * len(shape) + sum(shape)).uniform(low, high, shape)
    return np.asarray(values).astype(dtypes.BY_NAME[dtype].numpy)


def graph_of(row: Case, *, constants: bool = False) -> tuple[Graph, list[str], dict[str, Any]]:
    """The row as a graph, the names of its outputs, and the feeds for its inputs."""
    g = GraphBuilder(Graph(versions=Versions(producer=row.producer)))
    feeds: dict[str, Any] = {}

    def enter(array: Any) -> Tensor:
        dtype = dtypes.of_numpy(array.dtype)
        if constants:
            return g.constant(array, dtype, name="x")
        tensor = g.placeholder(dtype, array.shape if row.build is None else None, name="x")
        feeds[tensor.name] = array
        return tensor

    inputs = [[enter(a) for a in v] if isinstance(v, list) else enter(v) for v in row.inputs]
    if row.build is not None:
        made = row.build(g, *inputs)
        return g.graph(), [t.name for t in (made if isinstance(made, list) else [made])], feeds
    signature = registry.get(row.op).signature
    node, _ = g.node_for(signature, inputs, "out", row.attrs)
    graph = g.graph()
    return graph.with_nodes((*graph.nodes, node)), _output_names(signature, node), feeds


def _output_names(signature: OpSignature, node: Node) -> list[str]:
    try:
        count = len(signature.bind(node).output_types)
    except TfgError:
        count = 1
    return [str(Endpoint("out", port)) for port in range(count)] or ["out"]


def gradient_graph_of(row: Case) -> tuple[Graph, list[str], list[str], dict[str, Any]]:
    """The row's graph with a loss that weighs every element of every floating output, and its gradients.

    Returns the graph without gradient nodes, the names of the inputs, those of the gradients' fetches in
    the graph that ``with_gradients`` makes of it, and the feeds.
    """
    graph, outputs, feeds = graph_of(row)
    g = GraphBuilder(graph)
    for position, name in enumerate(outputs):
        out = g.tensor(name)
        if out.dtype.is_differentiable:
            weights = g.placeholder(out.dtype, None, name=f"weights{position}")
            g.add_op("Mul", out, weights, name=f"weighed{position}")
    floating = [n for n, v in feeds.items() if dtypes.of_numpy(v.dtype).is_differentiable]
    return g.graph(), floating, outputs, feeds


def weights_for(outputs: Sequence[Any]) -> dict[str, Any]:
    """Feeds for the loss's weights, different for every element."""
    feeds: dict[str, Any] = {}
    for position, value in enumerate(outputs):
        array = np.asarray(value)
        if array.dtype != object and dtypes.of_numpy(array.dtype).is_differentiable:
            ramp = (np.arange(array.size) % 7 + 1.0) / 4
            feeds[f"weights{position}"] = ramp.reshape(array.shape).astype(array.dtype)
    return feeds


def with_gradients(graph: Graph, inputs: Sequence[str]) -> tuple[Graph, list[str | None]]:
    """tfg's own gradients of all ``weighed…`` nodes, as dense tensors."""
    g = GraphBuilder(graph)
    ys = [g.tensor(n.name) for n in graph.nodes if n.name.startswith("weighed")]
    found = backpropagation.add_gradients(g, ys, [g.tensor(x) for x in inputs])
    dense = [backpropagation.dense(g, x) for x in found]
    return g.graph(), [None if x is None else x.name for x in dense]


def key_of(row: Case) -> str:
    """A name for a row's record that changes when the row does."""
    digest = hashlib.sha1(repr((row.op, sorted(row.attrs.items()))).encode())
    for value in row.inputs:
        for array in value if isinstance(value, list) else [value]:
            data = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
            digest.update(repr((array.dtype.name, array.shape)).encode() + data)
    return f"{row.op}-{digest.hexdigest()[:12]}"


# What TensorFlow did with a row: the error's status, or values, shapes it inferred, and gradients.


@dataclass(frozen=True)
class Record:
    status: str | None
    values: list[Any]
    shapes: list[str]
    gradients: list[Any]


def golden_path(family: str) -> Path:
    """Where the recorded results of a family, such as ``math.unary_ops``, are kept."""
    domain, _, name = family.partition(".")
    return TABLES / domain / "golden" / f"{name}.npz"


def families() -> list[str]:
    """The families that have a test table, as the registry names them."""
    return sorted(family_of(str(path)) for path in TABLES.glob("*/test_*_ops.py"))


def family_of(file: str) -> str:
    """The family that a test file has the rows of."""
    path = Path(file)
    return f"{path.parent.name}.{path.stem.removeprefix('test_')}"


def table_module(family: str) -> Any:
    """The test module of a family."""
    domain, _, name = family.partition(".")
    return importlib.import_module(f"tests.kernels.families.{domain}.test_{name}")


@cache
def golden(family: str) -> dict[str, Any]:
    path = golden_path(family)
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def recorded(family: str, row: Case) -> Record:
    """What TensorFlow did with a row, as recorded."""
    store, key = golden(family), key_of(row)
    if f"{key}/status" not in store:
        pytest.fail(f"nothing is recorded for {row}: run python -m tests.oracle.record {family}")
    status = str(store[f"{key}/status"]) or None
    shapes = [str(s) for s in store.get(f"{key}/shapes", [])]
    return Record(status, _series(store, f"{key}/value"), shapes, _series(store, f"{key}/grad"))


def _series(store: dict[str, Any], prefix: str) -> list[Any]:
    count = int(store.get(f"{prefix}s", 0))
    return [
        unpack(store.get(f"{prefix}{i}/none"), store.get(f"{prefix}{i}"), store.get(f"{prefix}{i}/dtype"))
        for i in range(count)
    ]


def unpack(none: Any, raw: Any, dtype: Any) -> Any:
    """An array as ``pack`` stored it."""
    if none is not None:
        return None
    name = str(dtype)
    if name == "string":
        out = np.empty(raw.shape, object)
        out.reshape(-1)[:] = [bytes.fromhex(x) for x in raw.reshape(-1).tolist()]
        return out
    return raw.view(dtypes.BY_NAME[name].numpy).reshape(raw.shape)


def pack(store: dict[str, Any], prefix: str, arrays: Sequence[Any]) -> None:
    """Stores arrays of any dtype in what an npz file can hold without pickles."""
    store[f"{prefix}s"] = np.array(len(arrays))
    for i, array in enumerate(arrays):
        if array is None:
            store[f"{prefix}{i}/none"] = np.array(True)
            continue
        # An array of fixed-size strings would lose the zeros at their ends.
        array = np.asarray(array, object if isinstance(array, bytes) else None)
        dtype = dtypes.of_numpy(array.dtype)
        store[f"{prefix}{i}/dtype"] = np.array(dtype.name)
        if dtype is dtypes.string:
            hexed = [(x.encode() if isinstance(x, str) else x).hex() for x in array.reshape(-1).tolist()]
            store[f"{prefix}{i}"] = np.array(hexed, dtype="U").reshape(array.shape)
        elif dtype.numpy_name.startswith("ml:"):
            store[f"{prefix}{i}"] = array.view(f"u{array.dtype.itemsize}")
        else:
            store[f"{prefix}{i}"] = array


def run_tfg(row: Case) -> list[Any]:
    graph, outputs, feeds = graph_of(row)
    session = Session(graph, log=lambda line: None)
    if row.build is None and not registry.get(row.op).signature.outputs:
        session.run([], feeds, outputs)
        return [None for _ in outputs]
    return session.run(outputs, feeds)


def gradients_tfg(row: Case) -> list[Any]:
    graph, inputs, outputs, feeds = gradient_graph_of(row)
    values = Session(graph).run(outputs, feeds)
    full, names = with_gradients(graph, inputs)
    wanted = [n for n in names if n is not None]
    found = dict(zip(wanted, Session(full).run(wanted, {**feeds, **weights_for(values)}) if wanted else []))
    return [None if n is None else found[n] for n in names]


def assert_same(actual: Any, expected: Any, tol: float | None, what: str) -> None:
    """Same dtype, shape and values within tolerance; NaN equals NaN, infinities must agree."""
    if expected is None or actual is None:
        assert actual is None and expected is None, f"{what}: {actual} against {expected}"
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, not {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, not {expected.shape}"
    dtype = dtypes.of_numpy(expected.dtype)
    limit = TOLERANCE.get(dtype.name, 0) if tol is None else tol
    if not dtype.is_differentiable or limit == 0:
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    wide = np.complex128 if dtype.is_complex else np.float64
    a, e = actual.astype(wide), expected.astype(wide)
    finite = np.abs(e[np.isfinite(e)])
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(a, e, rtol=limit, atol=limit * min(scale, 1.0) + 1e-30, err_msg=what)


def table_tests(
    cases: Sequence[Case],
) -> tuple[Callable[..., None], Callable[..., None], Callable[..., None]]:
    """The three tests of a table: values, static shapes, gradients."""
    family = family_of(inspect.stack()[1].filename)
    parametrize = pytest.mark.parametrize("row", cases, ids=str)

    @parametrize
    def test_values(row: Case) -> None:
        check_values(row, recorded(family, row))

    @parametrize
    def test_shapes(row: Case) -> None:
        check_shapes(row, recorded(family, row))

    with_grad = [row for row in cases if row.grad]

    @pytest.mark.parametrize("row", with_grad, ids=str)
    def test_gradients(row: Case) -> None:
        check_gradients(row, recorded(family, row))

    return test_values, test_shapes, test_gradients


def check_values(row: Case, expected: Record) -> None:
    if expected.status is not None:
        with pytest.raises(TfgError) as caught:
            run_tfg(row)
        assert caught.value.status == expected.status, f"{caught.value}"
        return
    actual = run_tfg(row)
    assert len(actual) == len(expected.values)
    for i, (a, e) in enumerate(zip(actual, expected.values)):
        if i in row.unset:
            continue
        assert_same(a, e, row.tol, f"{row} output {i}")


def check_shapes(row: Case, expected: Record) -> None:
    """With constant inputs, tfg must infer what TensorFlow infers, or more; and never anything untrue."""
    if expected.status is not None:
        return
    graph, outputs, _ = graph_of(row, constants=True)
    inferred = infer_graph(graph)
    facts = (
        inferred["out"] if row.build is None else [inferred[e.node][e.port] for e in map(endpoint, outputs)]
    )
    assert len(facts) == len(expected.shapes)
    for i, (fact, shape) in enumerate(zip(facts, expected.shapes)):
        if i in row.unset:
            continue
        if i < len(expected.values) and expected.values[i] is not None:
            true = expected.values[i].shape
            dims = fact.shape.dims
            assert dims is None or (
                len(dims) == len(true) and all(d is None or d == t for d, t in zip(dims, true))
            ), f"inferred {fact.shape}, but it is {true}"
        known = shape.count("?") if shape != "<unknown>" else 99
        mine = str(fact.shape).count("?") if fact.shape.dims is not None else 99
        assert mine <= known, f"output {i}: TensorFlow infers {shape}, tfg {fact.shape}"


def check_gradients(row: Case, expected: Record) -> None:
    if expected.status is not None:
        return
    actual = gradients_tfg(row)
    assert len(actual) == len(expected.gradients)
    tol = None if row.tol is None else 4 * row.tol
    for i, (a, e) in enumerate(zip(actual, expected.gradients)):
        scale = tol if tol is not None else _looser(e)
        assert_same(a, e, scale, f"{row} gradient {i}")


def _looser(expected: Any) -> float | None:
    """Gradients go through several operations, so they may differ a little more."""
    if expected is None:
        return None
    return 5 * TOLERANCE.get(dtypes.of_numpy(expected.dtype).name, 0)


def missing_rows(family: str, cases: Sequence[Case]) -> list[str]:
    """Operations of a family without a row, for a test that wants none."""
    module = f"tfg.kernels.families.{family}"
    registry.import_all()
    tested = {row.op for row in cases}
    return [
        o.name
        for o in registry.all_ops()
        if getattr(o.shape, "__module__", "") == module and o.name not in tested
    ]
