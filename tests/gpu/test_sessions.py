"""Sessions with a GPU among their devices: the numbers, the state and the errors of a session without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.kernels.families.state.variables import Variable
from tfg.runtime.execution.gpu import GpuOptions
from tfg.runtime.execution.session import Session
from tfg.runtime.passes.optimizers.minimize import minimize
from tfg.runtime.passes.placement.machine.machine import parse_devices
from tfg.runtime.passes.placement.place import PlacementOptions, place

from ..behaviour.test_random_graphs import outcome
from ..runtime.passes.partitioning.placing import placed
from ..runtime.programs import Program

SAMPLES = Path(__file__).parent.parent.parent / "samples"
MACHINE = parse_devices("cpu:2,gpu:1")
PAIR = parse_devices("cpu:1,gpu:1")
GPU = "/job:localhost/replica:0/task:0/device:GPU:0"


def session_on(graph: Graph, xp: Any, *, limit: str | int | None = None, compiled: bool = True) -> Session:
    return Session(graph, devices=MACHINE, gpu=GpuOptions(limit, xp), compile_control_flow=compiled)


def on_gpu(graph: Graph) -> Graph:
    """The graph with everything on the GPU that can be there."""
    asked = graph.with_nodes(replace(node, device="/device:GPU:0") for node in graph.nodes)
    return place(asked, PAIR, "heft", PlacementOptions(soft=True)).graph


def synchronisations(xp: Any) -> int:
    """How often the host has waited, where that is counted."""
    return getattr(xp, "synchronisations", 0)


def trained(session: Session, feeds: dict[str, Any]) -> tuple[list[float], dict[Any, Any]]:
    """The losses of a few steps, and the state after them."""
    session.run(targets=["init"])
    losses = [float(session.run(["loss"], feeds, ["train"])[0]) for _ in range(4)]
    state = session.snapshot().resources
    return losses, {(key, part): array for key, held in state.items() for part, array in held.items()}


@pytest.mark.parametrize(
    ("sample", "data", "names", "waits"),
    [
        ("digits/mlp.pbtxt", "digits/digits.npz", {"x": "x_train", "y": "y_train"}, 1),
        ("digits/conv.pbtxt", "digits/digits.npz", {"x": "x_train", "y": "y_train"}, 3),
        ("rnn/lm.pbtxt", "rnn/text.npz", {"x": "x", "y": "y"}, 12),
    ],
)
def test_a_sample_learns_the_same_with_its_variables_on_the_gpu(
    sample: str, data: str, names: dict[str, str], waits: int, xp: Any
) -> None:
    graph = trainable(sample)
    with np.load(SAMPLES / data) as arrays:
        feeds = {name: arrays[key][:16] for name, key in names.items()}
    expected, state = trained(Session(graph), feeds)
    with session_on(on_gpu(graph), xp) as session:
        outside = getattr(xp, "outside", 0)
        losses, found = trained(session, feeds)
        before = synchronisations(xp)
        session.run(["loss"], feeds, ["train"])
        assert synchronisations(xp) - before <= waits
        assert getattr(xp, "outside", 0) == outside
        variables = [v for _, _, v in session.resources.all() if isinstance(v, Variable)]
        assert variables
        assert all(isinstance(v.value, xp.ndarray) for v in variables)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert found.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_allclose(found[key], value, rtol=2e-3, atol=2e-4)


def trainable(sample: str) -> Graph:
    """The graph of a sample with nodes that train it."""
    return minimize(tfg.load(str(SAMPLES / sample)), "loss", "adam:learning_rate=1e-2")


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_random_programs_with_parts_on_a_gpu(start: int, xp: Any) -> None:
    used = 0
    for seed in range(start, start + 20):
        program = Program(seed)
        fetches, feeds = list(map(str, program.fetches)), program.feeds()
        expected = outcome(Session(program.graph), fetches, feeds)
        whole = placed(program.graph, seed)
        moved = whole.with_nodes(replace(n, device=n.device.replace("CPU:2", "GPU:0")) for n in whole.nodes)
        graph = place(moved, MACHINE, "heft", PlacementOptions(soft=True)).graph
        used += any("GPU" in node.device for node in graph.nodes)
        with session_on(graph, xp, compiled=bool(seed % 2)) as session:
            assert outcome(session, fetches, feeds) == expected, f"seed {seed}"
    assert used > 15


def product(size: int | None) -> Graph:
    """x, doubled on the GPU and summed on the CPU."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [size], name="x")
    with g.device("/gpu:0"):
        doubled = g.Mul(x, 2.0, name="doubled")
    with g.device("/cpu:0"):
        g.add_op("Sum", doubled, 0, name="sum")
    return g.graph()


def test_values_go_to_the_gpu_and_come_back_once(xp: Any) -> None:
    with session_on(product(1000), xp) as session:
        session.run(["sum"], {"x": np.ones(1000)})
        before = synchronisations(xp)
        (found,) = session.run(["sum"], {"x": np.ones(1000)})
    assert found == 2000
    assert synchronisations(xp) - before in (0, 1)


def test_a_gpu_without_enough_memory_is_named_with_what_was_asked(xp: Any) -> None:
    with session_on(product(None), xp, limit=1 << 20) as session:
        with pytest.raises(TfgError) as caught:
            session.run(["sum"], {"x": np.ones(1 << 20)})
        xp.get_default_memory_pool().set_limit(size=0)
        (found,) = session.run(["sum"], {"x": np.ones(1 << 20)})
    assert caught.value.status == Status.RESOURCE_EXHAUSTED
    assert GPU in caught.value.message and "4,194,304 bytes" in caught.value.message
    assert "limit set to: 1,048,576 bytes" in caught.value.message
    assert found == 2 << 20


def test_a_traced_step_waits_for_every_node_and_no_other_does(xp: Any) -> None:
    with session_on(product(1000), xp) as session:
        assert session._devices is not None
        stream = session._devices.gpus[GPU].stream
        session.run(["sum"], {"x": np.ones(1000)})
        untraced = getattr(stream, "settled", 0)
        steps: list[Any] = []
        session.run(["sum"], {"x": np.ones(1000)}, observer=lambda plan, step: steps.append(step))
    assert untraced == 0
    assert getattr(stream, "settled", 1) > 0
    assert {"doubled", "sum"} <= {record.node.name for part in steps[0].parts for record in part.records}


def test_values_sent_as_bfloat16(xp: Any) -> None:
    with Session(product(1000), devices=PAIR, gpu=GpuOptions(None, xp), wire="bf16") as session:
        (found,) = session.run(["sum"], {"x": np.full(1000, 1.001)})
    assert found == 2000


def test_a_machine_is_known_by_what_its_gpus_say(xp: Any) -> None:
    with session_on(product(3), xp, limit=1 << 30) as session:
        devices = session._devices
        assert devices is not None
        known = devices.machine.index[GPU]
    assert known.memory == 1 << 30
    assert known.speed > 1e11


def test_a_graph_that_does_not_fit_is_refused_before_it_runs(xp: Any) -> None:
    with pytest.raises(TfgError, match="7,340,036 more than its memory of 1,048,576") as caught:
        session_on(product(1 << 20), xp, limit=1 << 20)
    assert caught.value.status == Status.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("limit", "size"), [("50%", 500), (300, 300), ("0.5 kB", 500), ("1KiB", 1024)])
def test_limits_of_memory(limit: str | int, size: int) -> None:
    from tfg.runtime.execution.gpu import memory_limit

    assert memory_limit(limit, 1000) == size


@pytest.mark.parametrize("limit", ["", "0", "120%", "-1", "much", "1e9"])
def test_limits_that_are_none(limit: str, xp: Any) -> None:
    with pytest.raises(TfgError, match="no limit of a GPU's memory") as caught:
        session_on(product(3), xp, limit=limit)
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_more_gpus_than_there_are(xp: Any) -> None:
    count = xp.cuda.runtime.getDeviceCount()
    with pytest.raises(TfgError, match=f"GPU:{count} cannot be used: there") as caught:
        Session(product(3), devices=f"cpu:1,gpu:{count + 1}", gpu=GpuOptions(None, xp))
    assert caught.value.status == Status.FAILED_PRECONDITION


def test_what_is_saved_on_a_gpu_is_restored_without_one_and_back(xp: Any, tmp_path: Path) -> None:
    g = tfg.GraphBuilder()
    v = g.VarHandleOp(shape=[100], dtype="float", name="v")
    g.group(g.AssignVariableOp(v, g.Fill([100], 1.5)), name="init")
    g.AssignAddVariableOp(v, g.Fill([100], 1.0), name="more")
    g.Identity(g.ReadVariableOp(v, dtype="float"), name="value")
    graph = g.graph()
    with session_on(on_gpu(graph), xp) as session:
        session.run(targets=["init"])
        session.run(targets=["more"])
        session.save(tmp_path / "a")
    with Session(graph) as session:
        session.restore(tmp_path / "a")
        session.run(targets=["more"])
        session.save(tmp_path / "b")
    with session_on(on_gpu(graph), xp) as session:
        session.restore(tmp_path / "b")
        session.run(targets=["more"])
        (found,) = session.run(["value"])
        assert all(isinstance(v.value, xp.ndarray) for _, _, v in session.resources.all())
    assert found.tolist() == [4.5] * 100
