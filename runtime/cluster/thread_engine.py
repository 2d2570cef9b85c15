"""An engine whose tasks are objects of this process: for tests, and for the proof that parts compute what the graph
does. Values go through the encoding of messages, so that tasks share no memory."""

from __future__ import annotations

import pickle
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...kernels.core.failures import as_tfg_error
from ..multi_device.thread_pool import THREAD_POOL
from .failures import TaskLostError, failure_of
from .memory_transport import MemoryNetwork
from .task import ClusterTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .engine import Answer
    from .task import TaskSettings


class ThreadTask:
    """Implements ``TaskHandle``. A killed task answers nothing more, whatever its threads do."""

    def __init__(self, task: ClusterTask, network: MemoryNetwork) -> None:
        self.task = task
        self._network = network
        self._lock = Lock()
        self._waiting: dict[int, Answer] = {}
        self._calls = 0
        self._is_dead = False
        # A task that hangs takes calls, and answers none of them.
        self.hangs = False

    def call(self, method: str, arguments: Sequence[Any], answer: Answer) -> None:
        sent = pickle.dumps(tuple(arguments))
        with self._lock:
            self._calls += 1
            number = self._calls
            if not self._is_dead:
                self._waiting[number] = answer
        if self._is_dead:
            answer(None, self._lost())
        elif not self.hangs:
            THREAD_POOL.call(lambda: self._serve(number, method, sent))

    def _serve(self, number: int, method: str, sent: bytes) -> None:
        try:
            result = getattr(self.task, method)(*pickle.loads(sent))
        except Exception as error:
            result = failure_of(as_tfg_error(error))
        returned = pickle.loads(pickle.dumps(result))
        with self._lock:
            answer = self._waiting.pop(number, None)
        if answer is not None:
            answer(returned, None)

    def kill(self) -> None:
        with self._lock:
            self._is_dead = True
            waiting, self._waiting = self._waiting, {}
        self._network.leave(self.task.name)
        for answer in waiting.values():
            answer(None, self._lost())
        # Its threads end, as those of a process do.
        self.task.close()

    def _lost(self) -> TaskLostError:
        return TaskLostError(self.task.name, "has ended")


class ThreadEngine:
    """Implements ``Engine``. ``tasks`` are those that run now, by name."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.tasks: dict[str, ThreadTask] = {}

    def start(self, settings: Sequence[TaskSettings], calls: int) -> Mapping[str, ThreadTask]:
        self.network = MemoryNetwork()
        network = self.network

        def started(one: TaskSettings) -> ThreadTask:
            return ThreadTask(ClusterTask(one, lambda arrived: network.join(one.name, arrived)), network)

        self.tasks = {one.name: started(one) for one in settings}
        return self.tasks

    def stop(self) -> None:
        for task in self.tasks.values():
            task.kill()

    def close(self) -> None:
        self.stop()
