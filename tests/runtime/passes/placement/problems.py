"""Random placement problems, and the whole truth about small ones."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st
from tfg.runtime.passes.placement.problem import Assignment, Problem, ProblemTensor
from tfg.runtime.passes.placement.simulation.simulator import score, simulate

UNLIMITED = float("inf")


def chain(*seconds: float, devices: int = 2, size: int = 100, **changes: object) -> Problem:
    """One operation after another, all devices alike; a byte takes a second, and latency is one."""
    count = len(seconds)
    fields = {
        "group": list(range(count)),
        "feasible": [tuple(range(devices))] * count,
        "seconds": [[s] * devices for s in seconds],
        "tensors": [ProblemTensor(op, size, size, (op + 1,)) for op in range(count - 1)],
        "persistent": [0] * count,
        "limits": [UNLIMITED] * devices,
        **links(devices),
    }
    return Problem(**{**fields, **changes})  # pyright: ignore[reportArgumentType]


def links(devices: int, latency: float = 1.0, per_byte: float = 1.0) -> dict[str, list[list[float]]]:
    """Links that are all alike."""
    return {
        name: [[0.0 if d == e else value for e in range(devices)] for d in range(devices)]
        for name, value in (("latency", latency), ("per_byte", per_byte))
    }


@st.composite
def problems(draw: st.DrawFn, most: int = 12, limited: bool = False) -> Problem:
    """Graphs of any form, some operations together, some confined, devices and links unlike each other."""
    count = draw(st.integers(1, most))
    devices = draw(st.integers(1, 3))
    times = st.sampled_from([0.0, 0.5, 1.0, 2.5])
    sizes = st.sampled_from([0, 1, 3])
    groups = draw(st.lists(st.integers(0, count - 1), min_size=count, max_size=count))
    names = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    feasible = [
        tuple(sorted(draw(st.sets(st.integers(0, devices - 1), min_size=1)))) for _ in range(len(names))
    ]
    tensors: list[ProblemTensor] = []
    for op in range(count):
        for _ in range(draw(st.integers(0, 2))):
            later = draw(st.sets(st.integers(op + 1, count - 1), max_size=3)) if op + 1 < count else set()
            size = draw(sizes)
            tensors.append(ProblemTensor(op, size, draw(st.sampled_from([0, size])), tuple(sorted(later))))
    table = st.lists(
        st.lists(st.sampled_from([0.25, 1.0]), min_size=devices, max_size=devices),
        min_size=devices,
        max_size=devices,
    )
    return Problem(
        group=[names[group] for group in groups],
        feasible=feasible,
        seconds=[draw(st.lists(times, min_size=devices, max_size=devices)) for _ in range(count)],
        tensors=tensors,
        latency=draw(table),
        per_byte=draw(table),
        persistent=[draw(sizes) for _ in range(count)],
        limits=[float(draw(st.integers(2, 12))) if limited else UNLIMITED for _ in range(devices)],
    )


def assignments(problem: Problem) -> list[Assignment]:
    """Every placement there is."""
    return [list(choice) for choice in product(*problem.feasible)]


def optimum(problem: Problem) -> tuple[float, float, int]:
    """The score of the best placement."""
    return min(score(problem, simulate(problem, assignment)) for assignment in assignments(problem))
