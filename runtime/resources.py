"""What outlives a step: resources under (container, name), and who may ask for them.

White paper section 4.7: containers hold the mutable state; the default one lives as long as its session, and
resetting a container drops what it holds and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, TypeVar

from ..graphfmt.errors import invalid

R = TypeVar("R")


class ResourceManager:
    """All resources of a session. There is at most one per (container, kind, name)."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, type[Any], str], Any] = {}
        self._lock = Lock()

    def get(self, container: str, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """The resource of that kind and name, made on first use."""
        key = (container, kind, name)
        found = self._resources.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._resources.get(key)
            if found is None:
                found = self._resources[key] = make()
            return found

    def all(self) -> Iterator[tuple[str, str, Any]]:
        """Every (container, name, resource), in the order they were made."""
        with self._lock:
            found = list(self._resources.items())
        for (container, _, name), resource in found:
            yield container, name, resource

    def drop_container(self, container: str) -> None:
        """Forgets all that a container holds. Raises INVALID_ARGUMENT for one that holds nothing."""
        with self._lock:
            doomed = [key for key in self._resources if key[0] == container]
            if not doomed:
                raise invalid(f"there is no container {container!r}")
            for key in doomed:
                del self._resources[key]
