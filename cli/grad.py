"""``tfg grad``: adds gradients, and an optimizer's update, to a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..graphfmt.load import save
from .common import completions
from .common.console import UsageError, note, plain, print_json, usage_errors
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
    from collections.abc import Sequence

    from ..graphfmt.graph import Graph
    from ..runtime.passes.optimizers.optimizer import Optimizer


@click.command("grad")
@graph_argument
@click.option(
    "--loss",
    metavar="NAME",
    required=True,
    shell_complete=completions.nodes,
    help="The value to differentiate or minimize.",
)
@click.option(
    "--wrt",
    metavar="GLOB",
    multiple=True,
    shell_complete=completions.nodes,
    help="Differentiate by these; repeatable. Default: all variables that the loss depends on.",
)
@click.option(
    "--optimizer",
    metavar="SPEC",
    shell_complete=completions.optimizers,
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
    method = _parse_optimizer(optimizer)
    devices = _parse_replicas(replicas)
    if asynchronous and not devices:
        raise UsageError("--asynchronous needs --replicas")
    if devices and method is None:
        raise UsageError("--replicas needs --optimizer")
    loaded = pin_nodes(load_checked(graph), pins)
    if method is None:
        from ..runtime.passes.gradients.backpropagation import differentiate

        result = differentiate(loaded, loss, wrt)
    elif devices:
        result = _replicate(loaded, loss, wrt, method, devices, asynchronous)
    else:
        from ..runtime.passes.optimizers.minimize import minimize

        result = minimize(loaded, loss, method, wrt or None)
    save(result, output)
    if output != "-":
        _print_summary(loaded, result, output, as_json)


def _parse_optimizer(text: str | None) -> Optimizer | None:
    """Returns the optimizer of --optimizer, if given."""
    if text is None:
        return None
    from ..runtime.passes.optimizers.optimizer import parse_optimizer

    with usage_errors():
        return parse_optimizer(text)


def _parse_replicas(spec: str | None) -> list[str]:
    """Returns the names of the devices of --replicas."""
    if spec is None:
        return []
    from ..runtime.passes.placement.machine.machine import parse_devices

    with usage_errors():
        return [device.name for device in parse_devices(spec).devices]


def _replicate(
    graph: Graph,
    loss: str,
    wrt: tuple[str, ...],
    optimizer: Optimizer,
    devices: Sequence[str],
    asynchronous: bool,
) -> Graph:
    from ..runtime.passes.optimizers.minimize import minimize, minimize_each
    from ..runtime.passes.optimizers.replicas import replicate

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
