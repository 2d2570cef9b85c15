"""The options that name devices, ``--devices`` and ``--cluster``, for commands that take either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import completions
from .console import UsageError, usage_errors
from .options import check_devices

if TYPE_CHECKING:
    from ...runtime.passes.placement.machine.machine import Machine

devices_option = click.option(
    "--devices",
    metavar="SPEC",
    callback=check_devices,
    shell_complete=completions.devices,
    help="Devices: cpu:2, cpu:4,gpu:1, or a file that describes devices and links.",
)


def check_cluster(context: click.Context, option: click.Parameter, spec: str | None) -> str | None:
    """A click callback: reports counts of tasks that cannot be as a wrong command line."""
    if spec is not None:
        from ...runtime.cluster.spec import is_cluster_file, parse_cluster

        if not is_cluster_file(spec):
            with usage_errors():
                parse_cluster(spec)
    return spec


cluster_option = click.option(
    "--cluster",
    metavar="SPEC",
    callback=check_cluster,
    help="Tasks, each a process with a device: ps:1,worker:3 on this machine, or a file that describes them.",
)


def chosen_machine(devices: str | None, cluster: str | None) -> Machine | None:
    """The machine that ``--devices`` or ``--cluster`` names; None without both.

    Raises INVALID_ARGUMENT, located in the file if there is one, and what reading it raises.
    """
    if devices is not None and cluster is not None:
        raise UsageError("--devices and --cluster exclude each other")
    if devices is not None:
        from ...runtime.passes.placement.machine.machine import parse_devices

        return parse_devices(devices)
    if cluster is None:
        return None
    from ...runtime.cluster.spec import parse_cluster

    return parse_cluster(cluster).machine
