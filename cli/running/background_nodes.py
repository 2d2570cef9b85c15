"""Nodes that ``tfg run`` runs beside the steps: those of ``--background``, and the queue runners of a MetaGraph."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError
from ...runtime.execution.background import Background, BackgroundNode
from ..common.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ...runtime.execution.session import Session
    from ...runtime.saved_models.initialization import Model


@contextmanager
def running_beside(session: Session, texts: Sequence[str], model: Model | None) -> Generator[None]:
    """Runs the nodes during the body. Raises their error in place of one of the body, which it has probably caused."""
    from ...runtime.saved_models.queue_runners import queue_runners

    nodes = [parse_background(text) for text in texts]
    named = {node.name for node in nodes}
    if model is not None:
        nodes += [node for node in queue_runners(model.meta) if node.name not in named]
    background = Background(session, nodes)
    background.start()
    try:
        yield
    except TfgError as error:
        background.stop()
        if background.error is not None:
            raise background.error from error
        raise
    finally:
        background.stop()
    if background.error is not None:
        raise background.error


def parse_background(text: str) -> BackgroundNode:
    """Parses ``NODE`` or ``NODE:THREADS``. Raises a usage error."""
    name, colon, threads = text.rpartition(":")
    if not colon:
        return BackgroundNode(text)
    if not threads.isdecimal() or not 1 <= int(threads) <= 256:
        raise UsageError(f"--background {text}: {threads!r} is not a number of threads from 1 to 256")
    return BackgroundNode(name, int(threads))
