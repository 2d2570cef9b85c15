"""``tfg place``: assigns a device to every node of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.graph import endpoint
from ..graphfmt.load import save
from ..graphfmt.names import counted
from ..graphfmt.units import human_bytes, human_seconds
from .common import completions
from .common.console import UsageError, note, plain, print_json, say
from .common.drawings import DrawingOptions, drawing_options
from .common.graphs import load_checked
from .common.machines import chosen_machine, cluster_option, devices_option
from .common.options import (
    FetchOptions,
    common_options,
    fetch_options,
    graph_argument,
    pin_nodes,
    pin_option,
    soft_option,
    strict_option,
)
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..graphfmt.graph import Graph
    from ..runtime.passes.placement.explain import Explanation
    from ..runtime.passes.placement.place import Placement, Trial

# ``all`` is ``best``, and prints a table of the algorithms.
_ALGORITHMS = ("best", "greedy", "heft", "etf", "pipeline", "single", "search", "quick", "all")
_EVERY_NODE = "*"


@click.command("place")
@graph_argument
@devices_option
@cluster_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completions.paths,
    help="Output graph; - is standard output.",
)
@click.option(
    "--algorithm",
    type=click.Choice(_ALGORITHMS),
    default="best",
    show_default=True,
    help="Placement algorithm. quick: the better of heft and single. best: the best of all. all: like best, with a "
    "table of the results.",
)
@click.option(
    "--costs",
    metavar="TRACE.json",
    shell_complete=completions.paths,
    help="Measured costs: a trace written by tfg run --trace.",
)
@click.option(
    "--budget", metavar="TIME", help="Time limit of the search (10s, 2m). Default: a fixed amount of work."
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Size of unknown dimensions.",
)
@fetch_options
@pin_option
@soft_option
@click.option(
    "--explain",
    metavar="[NODE]",
    shell_complete=completions.nodes,
    is_flag=False,
    flag_value=_EVERY_NODE,
    help="Explain the device of NODE, with its finish time on every device; without NODE, list all nodes.",
)
@drawing_options
@strict_option
@common_options
def command(graph: str, **options: Any) -> None:
    """Assign a device to every node of GRAPH: minimize the simulated step time within the devices' memory.

    \b
    tfg place train.pbtxt --devices cpu:2 -o placed.pbtxt
    tfg place train.pbtxt --devices cluster.txt --target train --batch 64 --algorithm all
    tfg place train.pbtxt --devices cpu:2 --costs trace.json --explain loss -o placed.pbtxt
    tfg place train.pbtxt --devices cpu:2 --target train --batch 64 --html placed.html

    Devices that nodes already have are requests. With --fetch and --target, the time of the step that they describe
    is minimized, otherwise that of a step of all nodes.
    """
    parsed = _PlaceOptions(**options)
    if parsed.output == "-" and parsed.as_json:
        raise UsageError("-o - and --json both write to standard output")
    parsed.drawing.check(parsed.output)
    placement = _place(pin_nodes(load_checked(graph), parsed.pins), parsed)
    explanation = _explain(placement, parsed.explain)
    if parsed.output is not None:
        save(placement.graph, parsed.output)
    parsed.drawing.write(placement, graph)
    if parsed.as_json:
        print_json({"file": parsed.output, **_json_fields(placement), **explanation})
        return
    for text in placement.constraints.notes:
        note(f"note: {plain(text)}")
    report = _PlacementReport(placement, err=parsed.output == "-")
    report.print(parsed.output, table=parsed.algorithm == "all", explanation=explanation)


@dataclass(frozen=True)
class _PlaceOptions:
    devices: str | None
    cluster: str | None
    output: str | None
    algorithm: str
    costs: str | None
    budget: str | None
    batch: int
    fetch: FetchOptions
    pins: tuple[str, ...]
    soft: bool
    explain: str | None
    drawing: DrawingOptions
    as_json: bool
    verbose: int


def _place(graph: Graph, options: _PlaceOptions) -> Placement:
    from ..graphfmt.units import parse_duration
    from ..runtime.passes.placement.algorithms.annealing import Budget
    from ..runtime.passes.placement.costs.measured_costs import read_measurements
    from ..runtime.passes.placement.costs.observed_steps import with_hand_over
    from ..runtime.passes.placement.place import PlacementOptions, place

    machine = chosen_machine(options.devices, options.cluster)
    if machine is None:
        raise UsageError("no devices are given", hint="--devices cpu:2, or --cluster ps:1,worker:3")
    measured = read_measurements(options.costs) if options.costs else None
    return place(
        graph,
        with_hand_over(machine, measured.hand_over) if measured else machine,
        "best" if options.algorithm == "all" else options.algorithm,
        PlacementOptions(
            costs=measured.costs if measured else None,
            batch=options.batch,
            step=(*options.fetch.fetches, *options.fetch.targets),
            budget=Budget(parse_duration(options.budget) if options.budget else None),
            soft=options.soft,
        ),
    )


def _explain(placement: Placement, name: str | None) -> dict[str, Any]:
    """Returns the fields of ``--explain`` in ``--json``: ``explanation`` of one node, or ``nodes``."""
    if name is None:
        return {}
    from ..runtime.passes.placement.explain import explain, node_times

    if name != _EVERY_NODE:
        return {"explanation": _explanation_fields(explain(placement, endpoint(name).node))}
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


def _explanation_fields(explanation: Explanation) -> dict[str, Any]:
    return {
        "node": explanation.node,
        "together": list(explanation.together),
        "requested": explanation.requested,
        "devices": [
            {**a._asdict(), "waits": [wait._asdict() for wait in a.waits], "excess": int(a.excess)}
            for a in explanation.alternatives
        ],
    }


def _json_fields(placement: Placement) -> dict[str, Any]:
    """Returns the placement's fields in ``--json``, in seconds and bytes."""
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


class _PlacementReport:
    """Prints a placement as text; on standard error if the graph goes to standard output."""

    def __init__(self, placement: Placement, *, err: bool) -> None:
        self.placement = placement
        self.err = err

    def print(self, output: str | None, *, table: bool, explanation: dict[str, Any]) -> None:
        placement, best = self.placement, self.placement.best
        if table:
            header, *rows = self.table()
            print_table(rows, header=header, right=set(range(1, len(header) - 1)), err=self.err)
        used = len(set(best.schedule.place))
        devices = f"{used} of {counted(len(placement.machine.names), 'device')}"
        bound = placement.bounds.best
        self.line(
            f"{plain(output) if output and output != '-' else 'placed'}: "
            f"{counted(len(placement.graph.nodes), 'node')} on {devices} by {best.algorithm}; simulated step "
            f"{human_seconds(placement.makespan)}, lower bound {human_seconds(bound)}"
        )
        if "explanation" in explanation:
            self.print_explanation(explanation["explanation"])
        if "nodes" in explanation:
            self.print_nodes(explanation["nodes"])

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
        return "chosen" if trial is self.placement.best else ""

    def print_explanation(self, fields: dict[str, Any]) -> None:
        self.line("")
        self.line(f"{fields['node']}:")
        others = len(fields["together"]) - 1
        if others:
            some = ", ".join(name for name in fields["together"][:6] if name != fields["node"])
            self.line(
                f"  colocated with {counted(others, 'other node')}: {some}{', …' if others > 5 else ''}"
            )
        if fields["requested"]:
            self.line(f"  requests {fields['requested']}")
        rows = [("device", "start", "finish", "step", "waits for", "")]
        chosen = next(a for a in fields["devices"] if a["chosen"])
        for a in fields["devices"]:
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
        print_table(rows[1:], header=rows[0], err=self.err)

    def print_nodes(self, fields: list[dict[str, Any]]) -> None:
        self.line("")
        rows = [("node", "device", "start", "finish", "finish elsewhere")]
        for row in fields:
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
                    ", ".join(elsewhere) or "no other device is feasible",
                )
            )
        print_table(rows[1:], header=rows[0], err=self.err)

    def line(self, text: str) -> None:
        say(plain(text), err=self.err)


def _verdict(device: dict[str, Any], chosen: dict[str, Any]) -> str:
    """Returns the reason why a device was chosen or not."""
    if device["chosen"]:
        return "chosen"
    if device["excess"]:
        return f"exceeds its memory by {human_bytes(device['excess'])}"
    slower = device["makespan"] - chosen["makespan"]
    if slower > 0:
        return f"step {human_seconds(slower)} longer"
    return "same step time" if slower == 0 else f"step {human_seconds(-slower)} shorter"


def _short(name: str) -> str:
    """Returns ``CPU:0`` for a device of the local task, the full name for others."""
    return name.removeprefix("/job:localhost/replica:0/task:0/device:")
