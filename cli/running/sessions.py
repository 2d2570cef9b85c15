"""The session that ``tfg run`` runs its steps in: on which devices, and with how many threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

from ...graphfmt.errors import invalid
from ...graphfmt.load import load
from ...runtime.execution.session import Session
from ..common import console
from ..common.options import group

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph
    from ...runtime.execution.gpu import GpuOptions

session_options = group(
    click.option(
        "--devices",
        metavar="SPEC",
        help="Place the graph on these devices and run it there: cpu:2; cpu:2,gpu:1; or a file that describes them.",
    ),
    click.option(
        "--threads-per-device",
        metavar="N",
        type=click.IntRange(min=1),
        help="Threads for one matrix product; as many as there are cores for each device, if not given.",
    ),
    click.option(
        "--wire",
        type=click.Choice(["bf16"]),
        help="Send float32 from device to device as bfloat16, at half the bytes and with fewer digits.",
    ),
    click.option(
        "--gpu-memory-limit",
        metavar="SIZE",
        help="The most of each GPU's memory to take, as it is needed: 80%, 8GiB, or a number of bytes.",
    ),
    click.option(
        "--no-compile-loops",
        is_flag=True,
        help="Run loops and branches node by node: the same results, more slowly.",
    ),
)


class SessionOptions(Protocol):
    """What ``session_options`` read."""

    @property
    def devices(self) -> str | None: ...
    @property
    def threads_per_device(self) -> int | None: ...
    @property
    def wire(self) -> str | None: ...
    @property
    def gpu_memory_limit(self) -> str | None: ...
    @property
    def no_compile_loops(self) -> bool: ...


def open_session(path: str, graph: Graph | None, options: SessionOptions) -> Session:
    """The session for a graph; read from ``path``, unless that has been done. A folder of parts runs on the devices
    that these are for."""
    devices = options.devices
    if graph is None and holds_parts(path):
        from ...runtime.multi_device.devices import required_devices
        from ...runtime.passes.partitioning.folder import read_parts
        from ...runtime.passes.partitioning.parts import join_parts

        parts = read_parts(path)
        graph, devices = join_parts(parts), devices or required_devices(parts)
    return Session(
        graph if graph is not None else load(path),
        log=console.note,
        compile_control_flow=not options.no_compile_loops,
        devices=devices,
        threads_per_device=options.threads_per_device,
        wire=options.wire,
        gpu=_gpu_options(options),
    )


def _gpu_options(options: SessionOptions) -> GpuOptions | None:
    if options.gpu_memory_limit is None:
        return None
    if options.devices is None:
        hint = "say which devices: --devices cpu:1,gpu:1"
        raise invalid("--gpu-memory-limit is for a run with a GPU", hint=hint)
    from ...runtime.execution.gpu import GpuOptions

    return GpuOptions(options.gpu_memory_limit)


def holds_parts(path: str) -> bool:
    """Whether a path is a folder that ``tfg partition`` has written."""
    # A plain run must not wait for the machinery of partitioning to be imported.
    from pathlib import Path

    if not Path(path).is_dir():
        return False
    from ...runtime.passes.partitioning.folder import is_folder_of_parts

    return is_folder_of_parts(path)
