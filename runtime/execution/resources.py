"""The resources of a session (variables, queues, tables …), which outlive its steps, by container and name.

White paper section 4.7: containers hold the mutable state; the default one lives as long as its session, and
resetting a container drops its resources and no others.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ...kernels.core.context import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.tensors import Array

R = TypeVar("R", bound=Resource)

# A container with this prefix and a step's id lives as long as that step.
PER_STEP = "__per_step_"


class StateStore(Protocol):
    """The state of a session, wherever it lives. Methods are those of ``ResourceManager``."""

    @property
    def has_step_containers(self) -> bool: ...

    def get(self, container: str, name: str, kind: type[R], make: Callable[[], R]) -> R: ...

    def end_step(self, step_id: int) -> None: ...

    def save(self) -> dict[Key, Mapping[str, Array]]: ...

    def restore(self, saved: Mapping[Key, Mapping[str, Array]]) -> None: ...

    def reset(self, container: str) -> None: ...

    def all(self) -> Iterator[tuple[str, str, Any]]: ...


class ResourceManager:
    """All resources of a session. There is at most one per (container, kind, name)."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, type[Any], str], Any] = {}
        self._saved: dict[Key, Mapping[str, Array]] = {}
        self._lock = Lock()
        # True if a step has a container of its own; few do, and ``end_step`` takes time.
        self.has_step_containers = False

    def get(self, container: str, name: str, kind: type[R], make: Callable[[], R]) -> R:
        """The resource of that kind and name, created at first use."""
        key = (container, kind, name)
        found = self._resources.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._resources.get(key)
            if found is None:
                found = make()
                saved = self._saved.pop((container, kind.kind, name), None)
                if saved is not None:
                    found.load(dict(saved))
                self._resources[key] = found
                self.has_step_containers = self.has_step_containers or container.startswith(PER_STEP)
            return found

    def end_step(self, step_id: int) -> None:
        """Drops the resources that end with a step."""
        own = f"{PER_STEP}{step_id}"
        with self._lock:
            ended = [self._resources.pop(key) for key in list(self._resources) if key[0] == own]
            self.has_step_containers = any(key[0].startswith(PER_STEP) for key in self._resources)
        # Not under the lock: a resource that goes may wake another step.
        del ended

    def save(self) -> dict[Key, Mapping[str, Array]]:
        """The state of every resource, including those restored but not used yet; resources that end with a running
        step are left out."""
        live = {
            (container, kind.kind, name): resource.save()
            for (container, kind, name), resource in self._items()
            if not container.startswith(PER_STEP)
        }
        return {**self._saved, **live}

    def restore(self, saved: Mapping[Key, Mapping[str, Array]]) -> None:
        """Drops all resources; each begins with its saved state when it is next used."""
        with self._lock:
            self._resources.clear()
            self._saved = dict(saved)

    def reset(self, container: str) -> None:
        """Drops the resources of a container, those restored but not used yet included, and no others."""
        with self._lock:
            self._resources = {key: found for key, found in self._resources.items() if key[0] != container}
            self._saved = {key: state for key, state in self._saved.items() if key[0] != container}

    def _items(self) -> list[tuple[tuple[str, type[Any], str], Any]]:
        with self._lock:
            return list(self._resources.items())

    def all(self) -> Iterator[tuple[str, str, Any]]:
        """Every (container, name, resource), in the order of creation."""
        for (container, _, name), resource in self._items():
            yield container, name, resource
