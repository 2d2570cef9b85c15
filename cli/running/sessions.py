"""The session of ``tfg run``: its graph, devices, threads and GPU memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...graphfmt.errors import invalid
from ...runtime.execution.session import Session
from ..common import console

if TYPE_CHECKING:
    from ...graphfmt.graph import Graph
    from ...runtime.cluster.spec import ClusterSpec
    from ...runtime.execution.gpu import GpuOptions
    from .options import SessionOptions


def open_session(path: str, graph: Graph | None, options: SessionOptions, callers: int = 1) -> Session:
    """Opens a session for a graph, or for the parts in the folder ``path`` if ``graph`` is None.

    ``callers`` threads will run steps. Parts are joined, and run on their devices unless ``--devices`` names others.
    """
    devices: str | ClusterSpec | None = options.devices
    if options.cluster is not None:
        devices = _cluster(options)
    if graph is None:
        from ...runtime.multi_device.devices import required_devices
        from ...runtime.passes.partitioning.folder import read_parts
        from ...runtime.passes.partitioning.parts import join_parts

        parts = read_parts(path)
        graph, devices = join_parts(parts), devices or required_devices(parts)
    session = Session(
        graph,
        log=console.note,
        compile_control_flow=not options.no_compile_loops,
        devices=devices,
        threads_per_device=options.threads_per_device,
        wire=options.wire,
        soft_placement=options.soft,
        gpu=_gpu_options(options),
        callers=callers,
        optimize=not options.no_optimize,
        compile=not options.no_compile,
        budget=options.budget,
    )
    if options.cluster is not None:
        click.get_current_context().call_on_close(session.close)
    return session


def _cluster(options: SessionOptions) -> ClusterSpec:
    if options.devices is not None:
        raise console.UsageError("--devices and --cluster exclude each other")
    from ...runtime.cluster.spec import parse_cluster

    assert options.cluster is not None
    return parse_cluster(options.cluster)


def _gpu_options(options: SessionOptions) -> GpuOptions | None:
    if options.gpu_memory_limit is None:
        return None
    if options.devices is None:
        raise invalid("--gpu-memory-limit needs --devices with a GPU", hint="add --devices cpu:1,gpu:1")
    from ...runtime.execution.gpu import GpuOptions

    return GpuOptions(options.gpu_memory_limit)


def holds_parts(path: str) -> bool:
    """Returns True for a folder that ``tfg partition`` wrote."""
    # A plain run does not import the partitioning passes.
    from pathlib import Path

    if not Path(path).is_dir():
        return False
    from ...runtime.passes.partitioning.folder import is_folder_of_parts

    return is_folder_of_parts(path)
