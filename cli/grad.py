"""``tfg grad``: adds gradients to a graph, and an optimizer's update."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..graphfmt.load import load, save
from .common.console import UsageError, note, plain, print_json
from .common.options import common, graph_argument, output_option, pin_option, pinned

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
@click.option(
    "--replicas",
    metavar="SPEC",
    help="Compute the loss once per device (cpu:2), each on its share of the batch; with --optimizer.",
)
@click.option(
    "--asynchronous",
    is_flag=True,
    help="Give each replica a training step of its own, replica_0/train and so on, on the whole batch.",
)
@pin_option
@output_option
@common
def command(
    graph: str,
    loss: str,
    wrt: tuple[str, ...],
    optimizer: str | None,
    replicas: str | None,
    asynchronous: bool,
    pins: tuple[str, ...],
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
    loaded = pinned(load(graph), pins)
    if replicas is None:
        if asynchronous:
            raise UsageError("--asynchronous is about replicas, so it needs --replicas")
        made = _differentiated(loaded, loss, wrt, optimizer)
    elif optimizer is None:
        raise UsageError("--replicas train together, so they need --optimizer")
    else:
        made = _replicated(loaded, loss, wrt, optimizer, replicas, asynchronous)
    save(made, output)
    if output != "-":
        _tell(loaded, made, output, as_json)


def _differentiated(graph: Graph, loss: str, wrt: tuple[str, ...], optimizer: str | None) -> Graph:
    if optimizer is None:
        from ..runtime.passes.gradients.backpropagation import differentiate

        return differentiate(graph, loss, wrt)
    from ..runtime.passes.optimizers.minimize import minimize

    return minimize(graph, loss, optimizer, wrt or None)


def _replicated(
    graph: Graph, loss: str, wrt: tuple[str, ...], optimizer: str, spec: str, asynchronous: bool
) -> Graph:
    from ..runtime.passes.optimizers.minimize import minimize, minimize_each
    from ..runtime.passes.optimizers.replicas import replicate
    from ..runtime.passes.placement.machine.machine import parse_devices

    devices = [device.name for device in parse_devices(spec).devices]
    made = replicate(graph, loss, devices, split=not asynchronous)
    if made.loss is not None:
        return minimize(made.graph, made.loss, optimizer, wrt or None)
    steps = {f"replica_{number}/train": loss for number, loss in enumerate(made.losses)}
    return minimize_each(made.graph, steps, optimizer, wrt or None)


def _tell(before: Graph, after: Graph, output: str, as_json: bool) -> None:
    added = [node.name for node in after.nodes if node.name not in before]
    results = [n for n in added if n.startswith("grad/")] or [n for n in added if _is_target(n)]
    if as_json:
        print_json({"file": output, "nodes": len(after.nodes), "added": len(added), "results": results})
    else:
        note(f"{plain(output)}: {len(added)} nodes added, with {', '.join(results)}")


def _is_target(name: str) -> bool:
    return name in ("train", "init", "replicas/loss") or name.endswith("/train")
