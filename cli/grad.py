"""``tfg grad``: adds gradients to a graph, and an optimizer's update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..graphfmt.load import load, save
from .console import note, plain, print_json
from .options import common, graph_argument, output_option

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph


@click.command("grad")
@graph_argument
@click.option("--loss", metavar="NAME", required=True, help="The value to differentiate, or to minimise.")
@click.option(
    "--wrt",
    metavar="GLOB",
    multiple=True,
    help="Only for these; repeatable. All variables that the loss depends on, if not given.",
)
@click.option(
    "--optimizer",
    metavar="SPEC",
    help="NAME or NAME:KEY=VALUE,...; NAME is sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, "
    "adamax or ftrl.",
)
@output_option
@common
def command(
    graph: str,
    loss: str,
    wrt: tuple[str, ...],
    optimizer: str | None,
    output: str,
    as_json: bool,
    verbose: int,
) -> None:
    """Add the gradients of a loss to GRAPH as nodes.

    \b
    tfg grad mlp.pbtxt --loss loss --optimizer adam:learning_rate=1e-3 -o train.pbtxt
    tfg grad f.pbtxt --loss y --wrt x -o - | tfg run - --feed x=3 --fetch grad/x

    The gradient of NAME is called grad/NAME; that of a table that is gathered from has grad/NAME/values and
    grad/NAME/indices. With an optimizer there are also its slots, the target `train`, and the target `init`.
    """
    loaded = load(graph)
    made = _differentiated(loaded, loss, wrt, optimizer)
    save(made, output)
    if output != "-":
        _tell(loaded, made, output, as_json)


def _differentiated(graph: Graph, loss: str, wrt: tuple[str, ...], optimizer: str | None) -> Graph:
    if optimizer is None:
        from ..runtime.gradients import differentiate

        return differentiate(graph, loss, wrt)
    from ..runtime.optimizers import minimize

    return minimize(graph, loss, optimizer, wrt or None)


def _tell(before: Graph, after: Graph, output: str, as_json: bool) -> None:
    added = [node.name for node in after.nodes if node.name not in before]
    results = [n for n in added if n.startswith("grad/")] or [n for n in ("train", "init") if n in after]
    if as_json:
        print_json({"file": output, "nodes": len(after.nodes), "added": len(added), "results": results})
    else:
        note(f"{plain(output)}: {len(added)} nodes added, with {', '.join(results)}")
