"""``tfg grad``: adds gradients, and an optimizer's update, to a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..graphfmt.load import save
from .common.console import UsageError, note, plain, print_json
from .common.graphs import load_checked
from .common.options import (
    common_options,
    graph_argument,
    output_option,
    pin_nodes,
    pin_option,
    strict_option,
)

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph


@click.command("grad")
@graph_argument
@click.option("--loss", metavar="NAME", required=True, help="The value to differentiate or minimize.")
@click.option(
    "--wrt",
    metavar="GLOB",
    multiple=True,
    help="Differentiate by these; repeatable. Default: all variables that the loss depends on.",
)
@click.option(
    "--optimizer",
    metavar="SPEC",
    help="NAME or NAME:KEY=VALUE,...; NAME: sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, "
    "adamax or ftrl.",
)
@click.option(
    "--replicas",
    metavar="SPEC",
    help="With --optimizer: compute the loss on each of these devices (cpu:2), each for its share of the batch.",
)
@click.option(
    "--asynchronous",
    is_flag=True,
    help="With --replicas: one training step per replica (replica_0/train, ...), each for the whole batch.",
)
@pin_option
@output_option
@strict_option
@common_options
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

    The gradient of NAME is grad/NAME; a sparse gradient (of a gathered table) is grad/NAME/values and
    grad/NAME/indices. With an optimizer, its slots and the targets `train` and `init` are added.
    """
    loaded = pin_nodes(load_checked(graph), pins)
    if replicas is None:
        if asynchronous:
            raise UsageError("--asynchronous needs --replicas")
        result = _differentiate(loaded, loss, wrt, optimizer)
    elif optimizer is None:
        raise UsageError("--replicas needs --optimizer")
    else:
        result = _replicate(loaded, loss, wrt, optimizer, replicas, asynchronous)
    save(result, output)
    if output != "-":
        _print_summary(loaded, result, output, as_json)


def _differentiate(graph: Graph, loss: str, wrt: tuple[str, ...], optimizer: str | None) -> Graph:
    if optimizer is None:
        from ..runtime.passes.gradients.backpropagation import differentiate

        return differentiate(graph, loss, wrt)
    from ..runtime.passes.optimizers.minimize import minimize

    return minimize(graph, loss, optimizer, wrt or None)


def _replicate(
    graph: Graph, loss: str, wrt: tuple[str, ...], optimizer: str, spec: str, asynchronous: bool
) -> Graph:
    from ..runtime.passes.optimizers.minimize import minimize, minimize_each
    from ..runtime.passes.optimizers.replicas import replicate
    from ..runtime.passes.placement.machine.machine import parse_devices

    devices = [device.name for device in parse_devices(spec).devices]
    replicated = replicate(graph, loss, devices, split=not asynchronous)
    if replicated.loss is not None:
        return minimize(replicated.graph, replicated.loss, optimizer, wrt or None)
    steps = {f"replica_{number}/train": loss for number, loss in enumerate(replicated.losses)}
    return minimize_each(replicated.graph, steps, optimizer, wrt or None)


def _print_summary(before: Graph, after: Graph, output: str, as_json: bool) -> None:
    added = [node.name for node in after.nodes if node.name not in before]
    results = [n for n in added if n.startswith("grad/")] or [n for n in added if _is_target(n)]
    if as_json:
        print_json({"file": output, "nodes": len(after.nodes), "added": len(added), "results": results})
    else:
        note(f"{plain(output)}: {len(added)} nodes added, including {', '.join(results)}")


def _is_target(name: str) -> bool:
    return name in ("train", "init", "replicas/loss") or name.endswith("/train")
