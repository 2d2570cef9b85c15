"""``tfg place``: gives every node of a graph a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.graph import endpoint
from ..graphfmt.load import load, save
from ..graphfmt.names import counted
from ..runtime.summary import human_bytes, human_seconds
from .common.columns import print_rows
from .common.console import UsageError, note, plain, print_json
from .common.drawings import Drawings, drawing_options
from .common.options import (
    common,
    devices_option,
    graph_argument,
    pin_option,
    pinned,
    soft_option,
    work_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..graphfmt.graph import Graph
    from ..runtime.passes.placement.explain import Explanation
    from ..runtime.passes.placement.place import Placement, Trial

# ``all`` is ``best`` with the table of what each algorithm found.
_ALGORITHMS = ("best", "greedy", "heft", "etf", "pipeline", "single", "search", "quick", "all")
_EVERY_NODE = "*"


@click.command("place")
@graph_argument
@devices_option
@click.option("-o", "--output", metavar="FILE", help="Where the placed graph goes; - is standard output.")
@click.option(
    "--algorithm",
    type=click.Choice(_ALGORITHMS),
    default="best",
    show_default=True,
    help="Which one places; quick is the better of heft and single; all runs them all, as best does, and prints "
    "what each found.",
)
@click.option("--costs", metavar="TRACE.json", help="What nodes took in an earlier tfg run --trace.")
@click.option(
    "--budget", metavar="TIME", help="How long to search (10s, 2m); a fixed amount of work if not given."
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="What open dimensions are taken to be.",
)
@work_options
@pin_option
@soft_option
@click.option(
    "--explain",
    metavar="[NODE]",
    is_flag=False,
    flag_value=_EVERY_NODE,
    help="When NODE would be done on each device, and why it is where it is; all nodes in short without NODE.",
)
@drawing_options
@common
def command(graph: str, **options: Any) -> None:
    """Give every node of GRAPH a device, so that a step is done soon in simulation and the devices' memory holds.

    \b
    tfg place train.pbtxt --devices cpu:2 -o placed.pbtxt
    tfg place train.pbtxt --devices cluster.txt --target train --batch 64 --algorithm all
    tfg place train.pbtxt --devices cpu:2 --costs trace.json --explain loss -o placed.pbtxt
    tfg place train.pbtxt --devices cpu:2 --target train --batch 64 --html placed.html

    Devices that nodes have already are requests. With --fetch and --target, the step that these ask for is the one
    that is to be fast; otherwise all nodes count as one step.
    """
    given = _Options(**options)
    if given.output == "-" and given.as_json:
        raise UsageError("-o - and --json both ask for standard output")
    drawings = Drawings(given.svg, given.html, given.trace)
    drawings.check(given.output)
    placement = _placement(pinned(load(graph), given.pins), given)
    explained = _explained(placement, given.explain)
    if given.output is not None:
        save(placement.graph, given.output)
    drawings.write(placement, graph)
    if given.as_json:
        print_json({"file": given.output, **_fields(placement), **explained})
        return
    for text in placement.constraints.notes:
        note(f"note: {plain(text)}")
    report = _Report(placement, err=given.output == "-")
    report.print(given.output, table=given.algorithm == "all", explained=explained)


class _Options(NamedTuple):
    devices: str
    output: str | None
    algorithm: str
    costs: str | None
    budget: str | None
    batch: int
    fetches: tuple[str, ...]
    targets: tuple[str, ...]
    pins: tuple[str, ...]
    soft: bool
    explain: str | None
    svg: Path | None
    html: Path | None
    trace: Path | None
    as_json: bool
    verbose: int


def _placement(graph: Graph, given: _Options) -> Placement:
    from ..runtime.checkpointing.intervals import parse_duration
    from ..runtime.passes.placement.algorithms.annealing import Budget
    from ..runtime.passes.placement.costs.measured_costs import read_measurements
    from ..runtime.passes.placement.costs.observed_steps import with_hand_over
    from ..runtime.passes.placement.machine.machine import parse_devices
    from ..runtime.passes.placement.place import PlacementOptions, place

    machine = parse_devices(given.devices)
    measured = read_measurements(given.costs) if given.costs else None
    return place(
        graph,
        with_hand_over(machine, measured.hand_over) if measured else machine,
        "best" if given.algorithm == "all" else given.algorithm,
        PlacementOptions(
            costs=measured.costs if measured else None,
            batch=given.batch,
            step=(*given.fetches, *given.targets),
            budget=Budget(parse_duration(given.budget) if given.budget else None),
            soft=given.soft,
        ),
    )


def _explained(placement: Placement, asked: str | None) -> dict[str, Any]:
    """What ``--explain`` asks for, as ``--json`` shows it."""
    if asked is None:
        return {}
    from ..runtime.passes.placement.explain import explain, node_times

    if asked != _EVERY_NODE:
        return {"explanation": _explanation_fields(explain(placement, endpoint(asked).node))}
    return {
        "nodes": [
            {
                "node": row.node,
                "device": row.device,
                "start": row.start,
                "finish": row.finish,
                "finish_on": dict(row.elsewhere),
            }
            for row in node_times(placement)
        ]
    }


def _explanation_fields(found: Explanation) -> dict[str, Any]:
    return {
        "node": found.node,
        "together": list(found.together),
        "requested": found.requested,
        "devices": [
            {**a._asdict(), "waits": [wait._asdict() for wait in a.waits], "excess": int(a.excess)}
            for a in found.alternatives
        ],
    }


def _fields(placement: Placement) -> dict[str, Any]:
    """The placement as ``--json`` shows it; seconds and bytes."""
    names = placement.machine.names
    return {
        "algorithm": placement.best.algorithm,
        "makespan": placement.makespan,
        "lower_bounds": placement.bounds._asdict(),
        "devices": {
            name: {
                "nodes": placement.best.schedule.place.count(d),
                "peak_bytes": placement.best.schedule.peak[d],
            }
            for d, name in enumerate(names)
        },
        "trials": [
            {
                "algorithm": trial.algorithm,
                "makespan": trial.schedule.makespan,
                "fits": placement.fits(trial),
                "traffic_bytes": placement.traffic(trial),
                "transfers": len(trial.schedule.transfers),
                "peak_bytes": list(trial.schedule.peak),
            }
            for trial in placement.trials
        ],
        "notes": list(placement.constraints.notes),
    }


class _Report:
    """What a person reads, on standard error if the graph goes to standard output."""

    def __init__(self, placement: Placement, *, err: bool) -> None:
        self.placement = placement
        self.err = err

    def print(self, output: str | None, *, table: bool, explained: dict[str, Any]) -> None:
        placement, best = self.placement, self.placement.best
        if table:
            print_rows(list(self.table()), err=self.err)
        used = len(set(best.schedule.place))
        devices = f"{used} of {counted(len(placement.machine.names), 'device')}"
        bound = placement.bounds.best
        self.line(
            f"{plain(output) if output and output != '-' else 'placed'}: "
            f"{counted(len(placement.graph.nodes), 'node')} on {devices} by {best.algorithm}; a step takes "
            f"{human_seconds(placement.makespan)} in simulation, and at least {human_seconds(bound)} anywhere"
        )
        if "explanation" in explained:
            self.explanation(explained["explanation"])
        if "nodes" in explained:
            self.nodes(explained["nodes"])

    def table(self) -> Iterable[Sequence[str]]:
        short = [_short(name) for name in self.placement.machine.names]
        yield ("algorithm", "makespan", "of bound", "traffic", *(f"peak {name}" for name in short), "")
        for trial in self.placement.trials:
            yield (*self.row(trial), self.remark(trial))

    def row(self, trial: Trial) -> Sequence[str]:
        bound = self.placement.bounds.best
        ratio = f"{trial.schedule.makespan / bound:.2f}" if bound else "-"
        return (
            trial.algorithm,
            human_seconds(trial.schedule.makespan),
            ratio,
            human_bytes(self.placement.traffic(trial)),
            *map(human_bytes, trial.schedule.peak),
        )

    def remark(self, trial: Trial) -> str:
        if not self.placement.fits(trial):
            return "does not fit"
        return "taken" if trial is self.placement.best else ""

    def explanation(self, found: dict[str, Any]) -> None:
        self.line("")
        self.line(f"{found['node']}:")
        others = len(found["together"]) - 1
        if others:
            some = ", ".join(name for name in found["together"][:6] if name != found["node"])
            self.line(f"  must be with {counted(others, 'other node')}: {some}{', …' if others > 5 else ''}")
        if found["requested"]:
            self.line(f"  asks for {found['requested']}")
        rows = [("device", "start", "finish", "step", "waits for", "")]
        chosen = next(a for a in found["devices"] if a["chosen"])
        for a in found["devices"]:
            waits = [f"{w['tensor']} from {_short(w['source'])}" for w in a["waits"][:2]]
            rows.append(
                (
                    _short(a["device"]),
                    human_seconds(a["start"]),
                    human_seconds(a["finish"]),
                    human_seconds(a["makespan"]),
                    ", ".join(waits) + (", …" if len(a["waits"]) > 2 else ""),
                    _verdict(a, chosen),
                )
            )
        print_rows(rows, err=self.err)

    def nodes(self, found: list[dict[str, Any]]) -> None:
        self.line("")
        rows = [("node", "device", "start", "finish", "finish elsewhere")]
        for row in found:
            elsewhere = [
                f"{_short(device)} {human_seconds(finish)}"
                for device, finish in row["finish_on"].items()
                if device != row["device"]
            ]
            rows.append(
                (
                    row["node"],
                    _short(row["device"]),
                    human_seconds(row["start"]),
                    human_seconds(row["finish"]),
                    ", ".join(elsewhere) or "nowhere else feasible",
                )
            )
        print_rows(rows, err=self.err)

    def line(self, text: str) -> None:
        click.echo(plain(text), err=self.err)


def _verdict(found: dict[str, Any], chosen: dict[str, Any]) -> str:
    """Why a device was taken or lost."""
    if found["chosen"]:
        return "taken"
    if found["excess"]:
        return f"{human_bytes(found['excess'])} more than its memory"
    slower = found["makespan"] - chosen["makespan"]
    if slower > 0:
        return f"the step would take {human_seconds(slower)} longer"
    return (
        "the step would take no longer"
        if slower == 0
        else f"the step would be {human_seconds(-slower)} faster"
    )


def _short(name: str) -> str:
    """``CPU:0`` for a device of this computer's own task, the full name for others."""
    return name.removeprefix("/job:localhost/replica:0/task:0/device:")
