"""The checks of one input: each does with it what a person would, and returns what went wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfg.graphfmt import load
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.core.inference import infer_graph
from tfg.runtime.execution.session import Session
from tfg.runtime.passes import validation
from tfg.runtime.passes.gradients.backpropagation import add_gradients, dense

from tests.cli.command import run_tfg

from . import findings
from .findings import Finding, TooSlow

# Seconds of processor time that one action on one input may take; of waiting, the parent process takes care.
LIMIT = 5.0


@contextmanager
def time_limit(seconds: float) -> Generator[None]:
    """Raises TooSlow in the main thread after so many seconds of processor time."""

    def ring(*_: Any) -> None:
        raise TooSlow

    old = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def attempt(doing: str, action: Callable[[], Any]) -> Finding | None:
    """Returns the finding of an action, if it is one."""
    try:
        with time_limit(LIMIT):
            action()
    except (Exception, TooSlow) as error:
        return findings.of_exception(error, doing)
    return None


def check_graph(graph: Graph) -> Finding | None:
    """Validates, runs and differentiates a graph, and runs its gradients."""
    return (
        attempt("validate", lambda: _validate(graph))
        or attempt("run", lambda: _run(graph))
        or attempt("grad", lambda: _differentiate(graph))
    )


def _validate(graph: Graph) -> None:
    for fault in validation.faults(graph):
        if findings.of_exception(fault, "validate") is not None:
            raise fault


def _ends(graph: Graph) -> tuple[list[str], list[str]]:
    """The outputs that nothing reads, and the nodes without any that can be fetched."""
    read = {source.node for node in graph.nodes for source in node.data_inputs}
    facts = infer_graph(graph)
    fetches: list[str] = []
    targets: list[str] = []
    for node in graph.nodes:
        if node.name in read:
            continue
        outputs = facts[node.name]
        names = [
            f"{node.name}:{port}"
            for port, fact in enumerate(outputs)
            if fact.dtype.name not in ("resource", "variant")
        ]
        fetches += names[:64]
        targets += [] if names else [node.name]
    return fetches, targets


def _run(graph: Graph) -> None:
    fetches, targets = _ends(graph)
    with Session(graph, log=lambda line: None) as session:
        for _ in range(2):
            session.run(fetches, {}, targets, timeout=LIMIT / 4)


def _differentiate(graph: Graph) -> None:
    fetches, _ = _ends(graph)
    g = GraphBuilder(graph)
    ys = [y for y in map(g.tensor, fetches) if y.dtype.base.is_differentiable]
    names = [
        n.name for n in graph.nodes if n.op in ("Const", "PlaceholderWithDefault") and "/value" not in n.name
    ]
    xs = [x for x in map(g.tensor, names) if x.dtype.is_differentiable]
    if not ys or not xs:
        return
    found = [dense(g, x) for x in add_gradients(g, ys, xs)]
    wanted = [x.name for x in found if x is not None]
    if wanted:
        with Session(g.graph(), log=lambda line: None) as session:
            session.run(wanted, timeout=LIMIT / 4)


def check_graph_file(folder: Path, data: bytes) -> Finding | None:
    """Checks a text graph as ``check_graph`` does."""
    path = folder / "graph.pbtxt"
    path.write_bytes(data)
    try:
        graph = load.load(path)
    except TfgError as error:
        return findings.of_exception(error, "load")
    return check_graph(graph)


def check_commands(folder: Path, *commands: list[str]) -> Finding | None:
    """Runs commands, each of which must end with a status of its own."""
    for command in commands:
        words = [word.replace("DIR", str(folder)) for word in command]
        found = _command(words)
        if found is not None:
            return found
    return None


def _command(words: list[str]) -> Finding | None:
    doing = " ".join(words[:2])
    try:
        with time_limit(2 * LIMIT):
            outcome = run_tfg(*words, "-vv")
    except (Exception, TooSlow) as error:
        return findings.of_exception(error, doing)
    return findings.of_output(outcome.err, doing)
