"""One row per operation and case. What TensorFlow computes for each row is recorded in ``golden/``; the
default suite compares with that, the oracle suite with TensorFlow itself, and
``python -m tests.oracle.record math_ops`` records it anew.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

from tests import golden

# A test function, or None where a table has no rows for it.
Test = Callable[..., None] | None

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


# The statuses with which an operation may fail.
STATUSES = (
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "DATA_LOSS",
    "CANCELLED",
)


@dataclass(frozen=True, eq=False)
class Case:
    """``inputs`` are arrays, or lists of arrays for list arguments; ``attrs`` as GraphBuilder takes them.

    ``grad`` also compares the gradients of all floating inputs. ``tol`` is relative (and absolute against
    the largest element); 0 asks for equal bits. Outputs at the positions ``unset`` are not compared: those
    that TensorFlow leaves uninitialized or shapes differently with and without oneDNN.

    A row with ``build`` is a graph of several nodes, and ``op`` but its name: ``build`` takes a builder and
    the inputs as tensors, whose shapes are not known before the step, and gives the outputs. ``producer`` is
    the version that the graph states, for operations that later ones do not have.

    A row with ``error`` is one that must fail: TensorFlow with the status that stands before the colon, and tfg
    with that status and a message that contains the words behind it: ``"INVALID_ARGUMENT: must be of rank"``.
    """

    op: str
    inputs: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    tol: float | None = None
    grad: bool = False
    unset: tuple[int, ...] = ()
    build: Callable[..., Any] | None = None
    producer: int = PRODUCER
    error: str | None = None

    def __post_init__(self) -> None:
        if self.error is not None and not (self.status in STATUSES and self.words):
            raise ValueError(f"{self}: {self.error!r} is not of the form 'STATUS: words of the message'")
        if self.error is not None and self.grad:
            raise ValueError(f"{self}: a row that fails has no gradients")

    @property
    def status(self) -> str | None:
        """The status with which the row must fail, if it must."""
        return None if self.error is None else self.error.partition(": ")[0]

    @property
    def words(self) -> str:
        """Words that tfg's message must contain where the row must fail."""
        return "" if self.error is None else self.error.partition(": ")[2]

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
    error: str | None = None,
    **attrs: Any,
) -> Case:
    """A row of a test table."""
    converted = tuple([_array(x) for x in v] if isinstance(v, list) else _array(v) for v in inputs)
    return Case(op, converted, attrs, tol, grad, tuple(unset), error=error)


def graph_case(
    name: str,
    build: Callable[..., Any],
    *inputs: Any,
    grad: bool = False,
    tol: float | None = None,
    producer: int = PRODUCER,
    error: str | None = None,
) -> Case:
    """A row of a test table for a graph of several nodes; see ``Case``."""
    arrays = tuple(_array(v) for v in inputs)
    return Case(name, arrays, {}, tol, grad, build=build, producer=producer, error=error)


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


def cast(dtype: str, value: Any) -> Any:
    """Returns an array of the dtype with this TensorFlow name: ``cast("bfloat16", [1, 2])``."""
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
    """The families whose test module has a table ``CASES``, as the registry names them."""
    return sorted(
        family_of(str(path))
        for path in TABLES.glob("*/test_*_ops.py")
        if re.search(r"^CASES\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def family_of(file: str) -> str:
    """The family that a test file has the rows of."""
    path = Path(file)
    return f"{path.parent.name}.{path.stem.removeprefix('test_')}"


def table_module(family: str) -> Any:
    """The test module of a family."""
    domain, _, name = family.partition(".")
    return importlib.import_module(f"tests.kernels.families.{domain}.test_{name}")


def recorded(family: str, row: Case) -> Record:
    """What TensorFlow did with a row, as recorded."""
    store = golden.load(golden_path(family))
    if f"{key_of(row)}/status" not in store:
        pytest.fail(f"nothing is recorded for {row}: run python -m tests.oracle.record {family}")
    return _record(store, key_of(row))


def _record(store: Mapping[str, Any], key: str) -> Record:
    status = str(store[f"{key}/status"]) or None
    shapes = [str(s) for s in store.get(f"{key}/shapes", [])]
    values, gradients = (golden.unpack_series(store, f"{key}/{part}") for part in ("value", "grad"))
    return Record(status, values, shapes, gradients)


def golden_text(store: Mapping[str, Any], rows: Sequence[Case]) -> str:
    """What is recorded for the rows of a family, for readers: a line per row, then one per recorded array."""
    lines: list[str] = []
    for row in rows:
        record = _record(store, key_of(row))
        shapes = " ".join(record.shapes)
        lines.append(f"{row} · {record.status or 'OK'}" + (f" · inferred {shapes}" if shapes else ""))
        for i, value in enumerate(record.values):
            shown = "not compared" if i in row.unset else golden.describe(value)
            lines.append(f"    output {i} · {shown}")
        lines += [f"    gradient {i} · {golden.describe(x)}" for i, x in enumerate(record.gradients)]
    return "".join(f"{line}\n" for line in lines)


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


def table_tests(cases: Sequence[Case]) -> tuple[Test, Test, Test, Test]:
    """The four tests of a table: values, errors, static shapes, gradients. None stands for a test without rows."""
    family = family_of(inspect.stack()[1].filename)
    sound = [row for row in cases if row.error is None]
    return (
        _test(check_values, family, sound),
        error_tests(check_error, family, cases),
        _test(check_shapes, family, sound),
        _test(check_gradients, family, [row for row in sound if row.grad]),
    )


def error_tests(check: Callable[[Any], None], family: str, cases: Sequence[Case]) -> Test:
    """The test of the rows of a table that must fail."""

    def check_recorded(row: Case, expected: Record) -> None:
        assert expected.status == row.status, f"recorded is {expected.status or 'no error'}"
        check(row)

    return _test(check_recorded, family, [row for row in cases if row.error is not None])


def _test(check: Callable[[Any, Record], None], family: str, rows: Sequence[Case]) -> Test:
    """A test of the given rows against what is recorded; None without rows."""
    if not rows:
        return None

    @pytest.mark.parametrize("row", rows, ids=str)
    def test(row: Case) -> None:
        check(row, recorded(family, row))

    return test


def check_error(row: Case) -> None:
    assert_fails(row, lambda: run_tfg(row))


def assert_fails(row: Case, run: Callable[[], object]) -> None:
    """``run`` must fail as the row says."""
    with pytest.raises(TfgError) as caught:
        run()
    assert caught.value.status == row.status, f"{caught.value}"
    assert row.words in caught.value.message


def check_values(row: Case, expected: Record) -> None:
    assert expected.status is None, f"recorded is {expected.status}"
    actual = run_tfg(row)
    assert len(actual) == len(expected.values)
    for i, (a, e) in enumerate(zip(actual, expected.values)):
        if i in row.unset:
            continue
        assert_same(a, e, row.tol, f"{row} output {i}")


def check_shapes(row: Case, expected: Record) -> None:
    """With constant inputs, tfg must infer what TensorFlow infers, or more; and never anything untrue."""
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
