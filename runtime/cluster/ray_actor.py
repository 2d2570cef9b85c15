"""The process of a task as an actor of Ray."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import ray

from ...kernels.core.failures import as_tfg_error
from .failures import failure_of
from .task import ClusterTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .task import TaskSettings
    from .transport import Arrived, Peer, Transport


class TaskActor:
    """Hosts a ``ClusterTask``. Steps and control calls have threads of their own, so that an abort never waits for a
    step."""

    def __init__(self, settings: TaskSettings, host: str, folder: str) -> None:
        os.chdir(folder)

        def transport(arrived: Arrived) -> Transport:
            from .zmq_transport import ZmqTransport

            return ZmqTransport(host, arrived)

        self._task = ClusterTask(settings, transport)

    @ray.method(concurrency_group="control")
    def open(self) -> tuple[Peer, int]:
        """Returns the address of the task's transport, and its process id."""
        return self._task.peer, os.getpid()

    @ray.method(concurrency_group="control")
    def connect(self, peers: Mapping[str, Peer]) -> None:
        """Connects the task to the others."""
        self._task.connect(peers)

    @ray.method(concurrency_group="run")
    def work(self, method: str, arguments: Sequence[Any]) -> Any:
        """Calls a method of the task that may take long."""
        return self._call(method, arguments)

    @ray.method(concurrency_group="control")
    def control(self, method: str, arguments: Sequence[Any]) -> Any:
        """Calls a method of the task that returns at once."""
        return self._call(method, arguments)

    def _call(self, method: str, arguments: Sequence[Any]) -> Any:
        try:
            return getattr(self._task, method)(*arguments)
        except Exception as error:
            return failure_of(as_tfg_error(error))
