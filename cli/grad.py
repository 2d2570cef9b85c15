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
    from collections.abc import Mapping, Sequence

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
    help="With --optimizer: compute the loss on each of these devices (cpu:2) or tasks (worker:4), each for its "
    "share of the batch.",
)
@click.option(
    "--servers",
    metavar="SPEC",
    help="With --replicas: keep the variables on these tasks (ps:2). Default: on the first replica.",
)
@click.option(
    "--shard",
    type=click.Choice(["bytes", "round-robin"]),
    default="bytes",
    show_default=True,
    help="With --servers: give each as many bytes, or a variable in turn.",
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
    servers: str | None,
    shard: str,
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
    devices = _parse_devices(replicas)
    if servers is not None and not devices:
        raise UsageError("--servers needs --replicas")
    if asynchronous and not devices:
        raise UsageError("--asynchronous needs --replicas")
    if devices and method is None:
        raise UsageError("--replicas needs --optimizer")
    loaded = pin_nodes(load_checked(graph), pins)
    if method is None:
        from ..runtime.passes.gradients.backpropagation import differentiate

        result = differentiate(loaded, loss, wrt)
    elif devices:
        homes = _share_variables(loaded, _parse_devices(servers), shard)
        result = _replicate(loaded, loss, wrt, method, devices, homes, asynchronous)
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


def _parse_devices(spec: str | None) -> list[str]:
    """Returns the names of the devices of --replicas or --servers: of this process, or one per task."""
    if spec is None:
        return []
    from ..runtime.cluster.spec import parse_cluster
    from ..runtime.passes.placement.machine.machine import parse_devices

    with usage_errors():
        is_local = spec.lower().startswith(("cpu", "gpu"))
        return list((parse_devices(spec) if is_local else parse_cluster(spec).machine).names)


def _share_variables(graph: Graph, servers: Sequence[str], strategy: str) -> Mapping[str, str]:
    """Returns the servers of the variables; none without servers."""
    if not servers:
        return {}
    from ..runtime.passes.optimizers.servers import share_variables

    return share_variables(graph, servers, strategy)


def _replicate(
    graph: Graph,
    loss: str,
    wrt: tuple[str, ...],
    optimizer: Optimizer,
    devices: Sequence[str],
    homes: Mapping[str, str],
    asynchronous: bool,
) -> Graph:
    from ..runtime.passes.optimizers.minimize import minimize, minimize_each
    from ..runtime.passes.optimizers.replicas import replicate

    replicated = replicate(graph, loss, devices, split=not asynchronous, homes=homes)
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
