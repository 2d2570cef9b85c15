"""Names of tasks, ``/job:worker/replica:0/task:2``: the first three parts of the names of their devices."""

from __future__ import annotations

from functools import lru_cache

from ...graphfmt.devices import parse_device


@lru_cache(maxsize=1 << 12)
def task_of(device: str) -> str:
    """The task that a device, given by its full name, belongs to."""
    return str(parse_device(device)._replace(type=None, id=None))
