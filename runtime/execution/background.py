"""Nodes that run beside the steps, again and again, until they are exhausted: TensorFlow's queue runners."""

from __future__ import annotations

from threading import Lock, Thread, get_ident
from typing import TYPE_CHECKING, NamedTuple

from ...graphfmt.errors import Status, TfgError
from ...graphfmt.graph import endpoint
from ...kernels.families.data_flow.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import Session

_FAILED = "has failed"
_OVER = frozenset({Status.OUT_OF_RANGE, Status.CANCELLED})


class BackgroundNode(NamedTuple):
    """A node that so many threads run. When the last one ends, ``close`` runs, or else the queue that the node fills is
    closed."""

    name: str
    threads: int = 1
    close: str | None = None


class Background:
    """Runs nodes until their input is exhausted (OUT_OF_RANGE), or ``stop``.

    ``error`` is the first that ended a node, if it was neither exhausted nor cancelled: its queue is closed then, too,
    so that the steps that read from it end.
    """

    def __init__(self, session: Session, nodes: Sequence[BackgroundNode]) -> None:
        self._session = session
        self._left = {node: node.threads for node in nodes}
        self._lock = Lock()
        self._is_stopping = False
        self.error: TfgError | None = None
        for node in nodes:
            _ = session.graph[endpoint(node.name).node]
        self._threads = [
            Thread(target=self._run, args=(node,), name=f"tfg-background-{node.name}", daemon=True)
            for node in nodes
            for _ in range(node.threads)
        ]

    def start(self) -> None:
        self._session.add_callers(len(self._threads))
        for node, threads in self._left.items():
            self._session.beside[node.name] = (
                f"runs beside the steps in {threads} thread{'s' * (threads > 1)}"
            )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Cancels what still runs, and waits for the threads to end. Elements that wait for room are given up."""
        self._is_stopping = True
        if any(thread.is_alive() for thread in self._threads):
            self._session.interrupt("the run has ended")
            for thread in self._threads:
                thread.join()
            self._session.clear_interrupts()

    def _run(self, node: BackgroundNode) -> None:
        self._session.helpers.add(get_ident())
        try:
            while not self._is_stopping:
                self._session.run(targets=[node.name])
        except TfgError as error:
            if error.status not in _OVER:
                self._session.beside[node.name] = f"{_FAILED}: {error}"
                self._fail(error)
        finally:
            self._end(node)
            self._session.helpers.discard(get_ident())
            self._session.add_callers(-1)

    def _fail(self, error: TfgError) -> None:
        with self._lock:
            self.error = self.error or error

    def _end(self, node: BackgroundNode) -> None:
        with self._lock:
            self._left[node] -= 1
            is_last = not self._left[node]
            if is_last and not self._session.beside[node.name].startswith(_FAILED):
                self._session.beside[node.name] = "has ended"
        if not is_last or self._is_stopping:
            return
        try:
            if node.close is not None:
                self._session.run(targets=[node.close])
            else:
                self._close_queue(node)
        except TfgError as error:
            if error.status not in _OVER:
                self._fail(error)

    def _close_queue(self, node: BackgroundNode) -> None:
        """Closes the queue whose handle is the first input of a node, if it is one of a queue."""
        graph = self._session.graph
        inputs = graph[endpoint(node.name).node].data_inputs
        made = graph.index.get(inputs[0].node) if inputs else None
        shared = made.attrs.get("shared_name") if made is not None else None
        name = (
            shared.decode() if isinstance(shared, bytes) and shared else made.name if made is not None else ""
        )
        for _, known, resource in self._session.resources.all():
            if known == name and isinstance(resource, Queue):
                resource.close(_ignore, cancels_pending=False)


def _ignore(result: object) -> None:
    pass
