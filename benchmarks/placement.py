"""``python -m benchmarks.placement``: the simulated step time of each placement algorithm under memory
limits.

All devices have 5 TFLOP/s and 500 GB/s to their own memory; links have 10 GB/s and 20 µs. The memory of a
device is a percentage of what the whole step needs on one device.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tfg.runtime.passes.placement.machine.machine import Machine, parse_devices
from tfg.runtime.passes.placement.place import PlacementOptions, place

from .models import bert, resnet50

if TYPE_CHECKING:
    from tfg.graphfmt.graph import Graph

MODELS = {
    "BERT-3": lambda: bert(3),
    "BERT-6": lambda: bert(6),
    "BERT-12": lambda: bert(12),
    "ResNet-50": resnet50,
}
# Devices, and the memory of each as a share of what one device needs for the whole step.
LIMITS = ((2, 0.6), (4, 0.4), (8, 0.4))


def machine(devices: int, memory: int | None = None) -> Machine:
    made = parse_devices(f"cpu:{devices}")
    return Machine(
        tuple(replace(d, speed=5e12, bandwidth=500e9, memory=memory) for d in made.devices),
        tuple(replace(link, bandwidth=10e9, latency=20e-6) for link in made.links),
    )


def compare(name: str, graph: Graph) -> None:
    """Prints a line of the table for each number of devices; brackets mark placements that exceed the memory."""
    step = PlacementOptions(step=["train"])
    alone = place(graph, machine(1), "greedy", step)
    needed = alone.best.schedule.peak[0]
    for devices, share in LIMITS:
        placement = place(graph, machine(devices, int(share * needed)), options=step)
        cells = [
            f"{1e3 * t.schedule.makespan:.0f} ms"
            if placement.fits(t)
            else f"({1e3 * t.schedule.makespan:.0f} ms)"
            for t in placement.trials
        ]
        bound = f"{1e3 * placement.bounds.best:.0f} ms"
        size = f"{len(graph.nodes):,}"
        print("|", " | ".join([name, size, f"{devices} × {share:.0%}", *cells, bound]), "|", flush=True)


def main() -> None:
    print("| graph | nodes | devices | greedy | HEFT | ETF | pipeline | single | search | lower bound |")
    print("|---" * 9 + "|")
    for name, build in MODELS.items():
        compare(name, build())


if __name__ == "__main__":
    main()
