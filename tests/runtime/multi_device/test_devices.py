"""Sessions on several devices: the same numbers, errors and state as on one."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.text.reader import read_graph
from tfg.kernels.core.parallel import POOL
from tfg.runtime.execution.session import Session
from tfg.runtime.execution.trace import StepTrace
from tfg.runtime.multi_device import devices
from tfg.runtime.multi_device.multi_device_plan import MultiDevicePlan
from tfg.runtime.passes.placement.machine.machine import Machine, parse_devices
from tfg.runtime.passes.placement.machine.machine_file import machine_from_text
from tfg.runtime.plan.segment_plan import SegmentPlan
from tfg.runtime.profiling.chrome_trace import chrome_trace

from tests.runtime import programs
from tests.runtime.plan.control_flow.test_control_flow import doubling_loop
from tests.runtime.ways import going

from ..passes.partitioning.placing import device, placed


def two_hops() -> Graph:
    """c = (x + 1) * 3 - (x + 1), of which the product is on another device."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None], name="x")
    with g.device("/cpu:0"):
        a = g.AddV2(x, 1.0, name="a")
    with g.device("/cpu:1"):
        b = g.Mul(a, 3.0, name="b")
    with g.device("/cpu:0"):
        g.Sub(b, a, name="c")
    return g.graph()


def loop() -> Graph:
    """Doubles x until it reaches the limit, each step on another device than the test; for ever if x is 0."""
    return Graph(tuple(replace(n, device=device(int(n.name == "body"))) for n in doubling_loop()))


def test_values_fed_and_fetched_on_several_devices() -> None:
    with Session(two_hops(), devices="cpu:2") as session:
        b, c = session.run(["b", "c"], {"x": [1, 2]})
        (again,) = session.run(["c"], {"b:0": [10, 10], "x": [1, 2]})
    assert (b.tolist(), c.tolist(), again.tolist()) == ([6, 9], [4, 6], [8, 7])


def test_a_variant_is_a_value_like_any_other() -> None:
    """A list made on one device, added to on another and read on the first."""
    g = tfg.GraphBuilder()
    with g.device("/cpu:0"):
        first = g.TensorListFromTensor(g.placeholder("float", [3], name="x"), np.zeros(0, np.int32))
    with g.device("/cpu:1"):
        more = g.TensorListPushBack(first, 4.0)
    with g.device("/cpu:0"):
        g.TensorListStack(more, np.zeros(0, np.int32), element_dtype="float", name="y")
    with Session(g.graph(), devices="cpu:2") as session:
        assert session.run(["y"], {"x": [1, 2, 3]})[0].tolist() == [1, 2, 3, 4]


def test_a_step_that_needs_one_device_is_planned_as_ever() -> None:
    with Session(two_hops(), devices="cpu:2") as session:
        assert isinstance(session.plan(["a"], ["x"]), SegmentPlan)
        assert isinstance(session.plan(["b"], ["x"]), MultiDevicePlan)


def test_a_signature_is_placed_and_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[Graph] = []
    cut = devices.partition
    monkeypatch.setattr(devices, "partition", lambda graph, **how: cuts.append(graph) or cut(graph, **how))
    with Session(two_hops(), devices="cpu:2") as session:
        for _ in range(3):
            session.run(["c"], {"x": [1]})
    assert len(cuts) == 1


@pytest.mark.parametrize("way", ["compiled", "scheduled", "shuffled"])
def test_random_programs_on_random_devices_give_the_same_bits(way: str) -> None:
    for seed in range(25):
        program = programs.Program(seed)
        graph, feeds = program.graph, program.feeds()
        with Session(graph) as session:
            programs.CALLS.clear()
            whole = session.run(program.fetches, feeds)
            called = sorted(programs.CALLS)
        with going(way), Session(placed(graph, seed), devices="cpu:3") as session:
            programs.CALLS.clear()
            parts = session.run(program.fetches, feeds, timeout=30)
        assert [value.tobytes() for value in parts] == [value.tobytes() for value in whole], seed
        assert sorted(programs.CALLS) == called, seed


def training() -> Graph:
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[3], dtype="float", name="w")
    count = g.VariableV2(shape=[], dtype="float", name="count")
    first = g.Assign(w, [1.0, 2.0, 3.0], name="first")
    zero = g.Assign(count, 0.0, name="zero")
    with g.control_dependencies([first, zero]):
        g.NoOp(name="init")
    noise = g.RandomStandardNormal([3], dtype="float", seed=3, seed2=4, name="noise")
    moved = g.AssignSub(w, g.Mul(noise, 0.1), name="moved")
    with g.control_dependencies([moved]):
        g.AssignAdd(count, g.Sum(g.Identity(w), [0]), name="counted")
    return g.graph()


@pytest.mark.parametrize("seed", range(6))
def test_variables_stay_where_they_are_and_random_numbers_are_the_same(seed: int) -> None:
    graph = training()

    def run(graph: Graph, spec: str | None) -> list[bytes]:
        with Session(graph, devices=spec) as session:
            session.run(targets=["init"])
            found = [session.run(["counted", "noise"]) for _ in range(5)]
            return [value.tobytes() for values in (*found, session.run(["w", "count"])) for value in values]

    assert run(placed(graph, seed), "cpu:3") == run(graph, None)


def in_threads(count: int, work: Any) -> list[Any]:
    """The result of each of some threads, each called with its number."""
    found: list[Any] = [None] * count

    def keep(number: int) -> None:
        try:
            found[number] = work(number)
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=keep, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


def doubled(x: float, limit: float) -> float:
    return x if x >= limit else doubled(2 * x, limit)


def test_steps_of_many_threads_do_not_mix() -> None:
    with Session(loop(), devices="cpu:2") as session:
        assert isinstance(session.plan(["out"], ["x", "limit"]), MultiDevicePlan)

        def work(number: int) -> Sequence[float]:
            return [session.run(["out"], {"x": number + 1, "limit": 2**step})[0] for step in range(12)]

        found = in_threads(8, work)
    assert found == [[doubled(number + 1, 2**step) for step in range(12)] for number in range(8)]


def test_a_failed_step_does_not_disturb_those_beside_it() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", None, name="x")
    with g.device("/cpu:0"):
        checked = g.CheckNumerics(x, message="is no number", name="checked")
    with g.device("/cpu:1"):
        g.Mul(checked, 2.0, name="y")
    pick = random.Random(1)
    values = [[pick.choice([1.0, 2.0, np.nan]) for _ in range(40)] for _ in range(6)]
    with Session(g.graph(), devices="cpu:2") as session:

        def attempt(value: float) -> Any:
            try:
                return session.run(["y"], {"x": value})[0].item()
            except TfgError as error:
                return error.node

        found = in_threads(6, lambda number: [attempt(value) for value in values[number]])
    assert found == [[v * 2 if v == v else "checked" for v in row] for row in values]


def test_a_loop_over_two_devices_ends_when_its_time_is_up() -> None:
    with Session(loop(), devices="cpu:2") as session, pytest.raises(TfgError) as caught:
        session.run(["out"], {"x": 0, "limit": 1}, timeout=0.1)
    assert caught.value.status == Status.DEADLINE_EXCEEDED


def test_closing_a_session_cancels_the_steps_under_way() -> None:
    session = Session(loop(), devices="cpu:2")
    timer = threading.Timer(0.1, session.close)
    timer.start()
    with pytest.raises(TfgError) as caught:
        session.run(["out"], {"x": 0, "limit": 1}, timeout=30)
    timer.join()
    assert caught.value.status == Status.CANCELLED


def test_an_error_names_the_node_and_its_line() -> None:
    text = """
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } device: "/cpu:0" }
    node { name: "y" op: "CheckNumerics" input: "x" device: "/cpu:1"
      attr { key: "T" value { type: DT_FLOAT } } attr { key: "message" value { s: "bad" } } }
    """
    with Session(read_graph(text, "g.pbtxt"), devices="cpu:2") as session, pytest.raises(TfgError) as caught:
        session.run(["y"], {"x": float("nan")})
    assert caught.value.node == "y" and caught.value.location is not None and caught.value.location.line == 3


def test_a_dead_fetch_is_refused_as_on_one_device() -> None:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [], name="x")
    with g.device("/cpu:0"):
        left, right = g.Switch(x, g.Greater(x, 0.0))
    with g.device("/cpu:1"):
        g.Neg(left, name="left")
        g.Neg(right, name="right")
    with Session(g.graph(), devices="cpu:2") as session:
        assert session.run(["right"], {"x": 1})[0] == -1
        with pytest.raises(TfgError, match="does not have a value"):
            session.run(["left"], {"x": 1})


def test_devices_of_another_task_are_not_run_here() -> None:
    text = """
        device { name: "/device:CPU:0" speed: "1 GFLOP/s" bandwidth: "1 GB/s" }
        device { name: "/job:worker/device:CPU:0" speed: "1 GFLOP/s" bandwidth: "1 GB/s" }
        link { source: "/job:localhost" target: "/job:worker" bandwidth: "1 GB/s" latency: "1 ms" }
    """
    with pytest.raises(TfgError, match="/job:worker/replica:0/task:0/device:CPU:0 is of another task"):
        Session(two_hops(), devices=machine_from_text(text, "machine.pbtxt"))


def test_fewer_digits_on_the_wire() -> None:
    with Session(two_hops(), devices="cpu:2", wire="bf16") as session:
        (b,) = session.run(["b"], {"x": [0.001]})
    kept = np.frombuffer((np.float32([1.001]).view(np.uint32) & 0xFFFF0000).tobytes(), np.float32)
    assert b == kept * np.float32(3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [("tpu:1", "unknown device type"), ("cpu:0", "cpu:0")],
)
def test_devices_that_there_are_not(spec: str, words: str) -> None:
    with pytest.raises(TfgError, match=words) as caught:
        Session(two_hops(), devices=spec)
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_a_graph_placed_on_more_devices_than_there_are() -> None:
    with pytest.raises(TfgError, match="no such device") as caught:
        Session(two_hops(), devices="cpu:1")
    assert caught.value.status == Status.INVALID_ARGUMENT


def test_without_devices_it_does_not_matter_where_nodes_are_placed() -> None:
    with Session(placed(two_hops())) as session:
        assert isinstance(session.plan(["c"], ["x"]), SegmentPlan)
        assert session.run(["c"], {"x": [1]})[0] == [4]


def test_a_trace_has_a_track_for_each_device_and_an_arrow_for_each_transfer() -> None:
    trace = StepTrace()
    with Session(two_hops(), devices="cpu:2") as session:
        for _ in range(2):
            session.run(["c"], {"x": [1]}, observer=trace.observe)
    events = chrome_trace(trace)["traceEvents"]
    tracks = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    nodes = [(tracks[e["tid"]], e["cat"], e["args"]["step"]) for e in events if "step" in e.get("args", {})]
    on_first = [(device(0), kind, 1) for kind in ("AddV2", "_Send", "_Recv", "Sub")]
    assert [n for n in nodes if n[2] == 1 and n[0] == device(0)] == on_first
    assert sorted(nodes) == sorted(
        (where, kind, s) for where, kind, _ in nodes[: len(nodes) // 2] for s in (1, 2)
    )
    arrows = [(e["id"], e["ph"], tracks[e["tid"]]) for e in events if e["ph"] in "sf"]
    assert len(arrows) == 8 and len({number for number, _, _ in arrows}) == 4
    assert arrows[:2] == [(1, "s", device(0)), (1, "f", device(1))]


def test_the_limit_of_threads_ends_with_the_session() -> None:
    before = POOL.threads
    with Session(two_hops(), devices="cpu:2", threads_per_device=before + 3):
        assert POOL.threads == before + 3
    assert POOL.threads == before


def with_memory(*limits: int | None) -> Machine:
    machine = parse_devices(f"cpu:{len(limits)}")
    return replace(
        machine, devices=tuple(replace(d, memory=m) for d, m in zip(machine.devices, limits, strict=True))
    )


def test_a_device_without_enough_memory_is_named_with_what_was_asked() -> None:
    with Session(two_hops(), devices=with_memory(None, 5000)) as session:
        session.run(["c"], {"x": np.zeros(500, np.float32)})
        with pytest.raises(TfgError) as caught:
            session.run(["c"], {"x": np.zeros(1000, np.float32)})
    error = caught.value
    assert (error.status, error.node) == (Status.RESOURCE_EXHAUSTED, "b")
    assert f"out of memory on {device(1)}: 'b' (Mul) asks for 4,000 bytes" in error.message
    assert "but 4,000 of its 5,000 are in use" in error.message


def test_memory_that_is_given_up_can_be_used_again() -> None:
    g = tfg.GraphBuilder()
    value = g.placeholder("float", [None], name="x")
    for _ in range(50):
        value = g.Tile(g.Neg(value), [1])
    g.Sum(value, [0], name="y")
    with Session(g.graph(), devices=with_memory(9000)) as session:
        assert session.run(["y"], {"x": np.ones(1000, np.float32)})[0] == 1000
        with pytest.raises(TfgError, match="out of memory"):
            session.run(["y"], {"x": np.ones(2000, np.float32)})


def test_variables_count_as_memory_in_use() -> None:
    g = tfg.GraphBuilder()
    w = g.VariableV2(shape=[1000], dtype="float", name="w")
    g.Assign(w, g.Fill([1000], 1.0), name="init")
    with (
        Session(g.graph(), devices=with_memory(7000)) as session,
        pytest.raises(TfgError, match="4,000 of its 7,000 are in use, 4,000 of them by variables"),
    ):
        session.run(targets=["init"])
