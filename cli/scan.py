"""``tfg scan``: lists what a graph could do before it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.errors import TfgError
from ..graphfmt.load import read_graph_file
from ..graphfmt.names import counted, did_you_mean
from ..graphfmt.units import human_bytes, human_seconds
from .common import completions
from .common.console import UsageError, note, plain, print_json, say
from .common.options import common_options, graph_argument, tags_option
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..graphfmt.graph import Graph
    from ..runtime.scan.estimate import StepEstimate
    from ..runtime.scan.findings import Finding

# The number of rows of each kind without --verbose.
_SHOWN = 20

# What --deny takes for several kinds at once.
_GROUPS = {"files": ("reads", "writes")}

_TITLES = {
    "reads": "files read",
    "writes": "files written",
    "network": "network",
    "environment": "environment",
    "unknown": "unknown operations",
    "loops": "loops and recursion without a known bound",
    "waits": "waits for other steps",
    "aborts": "aborts",
    "prints": "prints",
    "state": "shared state",
}


def _split_kinds(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> frozenset[str]:
    names = [name.strip() for value in values for name in value.split(",") if name.strip()]
    known = {**_GROUPS, "all": tuple(_TITLES), **{kind: (kind,) for kind in _TITLES}}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"kinds: {', '.join(known)}"
            raise UsageError(f"--deny does not know {name!r}", hint)
    return frozenset(kind for name in names for kind in known[name])


@click.command("scan")
@graph_argument
@click.option(
    "--deny",
    metavar="KIND,...",
    multiple=True,
    callback=_split_kinds,
    help="Exit with status 1 if there is a finding of these kinds: files (reads, writes), network, environment, "
    "unknown, loops, waits, aborts, prints, state, all; repeatable.",
)
@click.option(
    "--fetch",
    "fetches",
    metavar="NAME",
    multiple=True,
    shell_complete=completions.fetches,
    help="Estimate a step that fetches this.",
)
@click.option(
    "--target",
    "targets",
    metavar="NODE",
    multiple=True,
    shell_complete=completions.nodes,
    help="Estimate a step that runs this.",
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Size of open dimensions in the estimate.",
)
@tags_option
@common_options
def command(
    graph: str,
    deny: frozenset[str],
    fetches: tuple[str, ...],
    targets: tuple[str, ...],
    batch: int,
    tags: tuple[str, ...] | None,
    as_json: bool,
    verbose: int,
) -> None:
    """List what GRAPH could do if it were run, without running it: files, network, environment, prints, aborts, loops
    without a known bound, shared state, unknown operations; and estimate memory and time of a step.

    \b
    tfg scan model.pb
    tfg scan model.pb --deny files,network,unknown && tfg run model.pb --budget memory=2GiB,time=60s,files=none …

    The estimated step computes up to three outputs, unless --fetch or --target is given. Exit status 1 if there is a
    finding of a denied kind.
    """
    from ..runtime.scan.findings import find_effects

    loaded = read_graph_file(graph, tags).graph
    findings = find_effects(loaded)
    estimate, why = _estimate(loaded, fetches, targets, batch)
    denied = [finding for finding in findings if finding.kind in deny]
    if as_json:
        print_json(_fields(graph, loaded, findings, estimate, sorted({str(one.kind) for one in denied})))
    else:
        _print(graph, loaded, findings, None if verbose else _SHOWN)
        _print_estimate(estimate, why)
    if denied:
        kinds = ", ".join(dict.fromkeys(_TITLES[one.kind] for one in denied))
        note(f"denied: {counted(len(denied), 'finding')} ({kinds})")
        raise click.exceptions.Exit(1)


def _estimate(
    graph: Graph, fetches: tuple[str, ...], targets: tuple[str, ...], batch: int
) -> tuple[StepEstimate | None, str]:
    """Returns the estimate, or the reason why there is none. Raises for fetches and targets that cannot be."""
    from ..runtime.scan.estimate import estimate_step

    is_chosen = bool(fetches or targets)
    try:
        if not is_chosen:
            from ..runtime.example_step import example_step
            from ..runtime.summary import summarize

            step = example_step(graph, summarize(graph))
            if step is None:
                return None, "no output and no target was found"
            fetches, targets = tuple(step.fetches), tuple(step.targets)
        return estimate_step(graph, fetches, targets, batch), ""
    except TfgError as error:
        if is_chosen:
            raise
        return None, error.message


def _fields(
    path: str, graph: Graph, findings: Sequence[Finding], estimate: StepEstimate | None, denied: Sequence[str]
) -> dict[str, Any]:
    return {
        "file": path,
        "nodes": len(graph.nodes),
        "findings": [_finding_fields(finding) for finding in findings],
        "estimate": None
        if estimate is None
        else {
            "fetches": list(estimate.fetches),
            "targets": list(estimate.targets),
            "persistent": estimate.persistent,
            "memory": estimate.memory,
            "flops": estimate.flops,
            "seconds": estimate.seconds,
            "largest": estimate.largest or None,
        },
        "denied": list(denied),
    }


def _finding_fields(finding: Finding) -> dict[str, Any]:
    place = finding.location
    return {
        "kind": str(finding.kind),
        "node": finding.node,
        "op": finding.op,
        "function": finding.function or None,
        "names": list(finding.names),
        "detail": finding.detail,
        "line": place.line or None if place else None,
    }


def _print(path: str, graph: Graph, findings: Sequence[Finding], limit: int | None) -> None:
    say(f"{plain(path)}: {counted(len(graph.nodes), 'node')}, {counted(len(findings), 'finding')}")
    for kind, title in _TITLES.items():
        found = [finding for finding in findings if finding.kind == kind]
        if not found:
            continue
        say(f"\n{title}: {len(found)}")
        print_table([_row(finding) for finding in found[:limit]])
        if limit is not None and len(found) > limit:
            say(f"  … and {len(found) - limit} more (-v)")
    absent = [title for kind, title in _TITLES.items() if all(one.kind != kind for one in findings)]
    if absent:
        say(f"\nnone: {', '.join(absent)}")


def _row(finding: Finding) -> tuple[str, ...]:
    name = f"{finding.function}/{finding.node}" if finding.function else finding.node
    place = finding.location
    files = ", ".join(finding.names) if finding.kind in ("reads", "writes") else ""
    detail = f"{files}  ({finding.detail})" if files else finding.detail
    return (name, finding.op, detail, f"line {place.line}" if place and place.line else "")


def _print_estimate(estimate: StepEstimate | None, why: str) -> None:
    if estimate is None:
        say(f"\nno estimate of a step: {plain(why)}")
        return
    what = ", ".join((*estimate.fetches, *estimate.targets))
    say(f"\na step ({plain(what)}), estimated from shapes:")
    rows = [
        ("memory", human_bytes(estimate.memory), f"most at {estimate.largest}" if estimate.largest else ""),
        ("of that", human_bytes(estimate.persistent), "variables and constants"),
        ("operations", f"{estimate.flops:,.0f}", "floating-point"),
        ("time", human_seconds(estimate.seconds), "on one processor"),
    ]
    print_table(rows)
