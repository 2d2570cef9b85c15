"""The state of a session on a cluster: every resource lives on the task whose nodes use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...graphfmt.errors import Status, TfgError
from .task_names import task_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ...graphfmt.checkpoints.hdf5.state_file import Key
    from ...graphfmt.graph import Graph
    from ...graphfmt.tensors import Array
    from .cluster import Cluster


class ClusterResources:
    """Implements ``StateStore``. ``graph`` is placed, so that it tells which task a resource belongs to: the one of
    the node with its name, or with its name as ``shared_name``."""

    has_step_containers = False

    def __init__(self, graph: Graph, cluster: Cluster) -> None:
        self._cluster = cluster
        self._homes: dict[str, str] = {}
        for node in graph.nodes:
            shared = node.attrs.get("shared_name")
            if isinstance(shared, bytes) and shared:
                self._homes.setdefault(shared.decode("utf-8", "replace"), task_of(node.device))
        self._homes |= {node.name: task_of(node.device) for node in graph.nodes}

    def get(self, container: str, name: str, kind: type[Any], make: Callable[[], Any]) -> Any:
        """Raises INTERNAL: kernels run on the tasks."""
        raise TfgError(Status.INTERNAL, f"the master of a cluster has no {kind.__name__} {name!r}")

    def end_step(self, step_id: int) -> None:
        """Does nothing: the tasks drop what belongs to a step."""

    def save(self) -> dict[Key, Mapping[str, Array]]:
        """The state of all tasks. Raises FAILED_PRECONDITION where two of them have a resource of one name."""
        found: dict[Key, Mapping[str, Array]] = {}
        homes: dict[Key, str] = {}
        for task, state in self._cluster.call_all("save").items():
            for key, arrays in state.items():
                if key in homes:
                    raise TfgError(
                        Status.FAILED_PRECONDITION,
                        f"{homes[key]} and {task} each have a {key[1]} {key[2]!r}, and a state has one",
                        hint="give each a shared_name of its own",
                    )
                homes[key], found[key] = task, arrays
        return found

    def restore(self, saved: Mapping[Key, Mapping[str, Array]]) -> None:
        """Replaces the state of all tasks; each gets the resources that its nodes use."""
        shares: dict[str, dict[Key, Mapping[str, Array]]] = {task: {} for task in self._cluster.tasks}
        for key, arrays in saved.items():
            shares[self._home(key[2])][key] = arrays
        self._cluster.call("restore", {task: (share,) for task, share in shares.items()})

    def _home(self, name: str) -> str:
        """The task of a resource; the first task for one that no node names, such as those within functions."""
        stem = name
        while stem:
            if stem in self._homes:
                return self._homes[stem]
            stem = stem.rpartition("/")[0]
        return self._cluster.tasks[0]

    def reset(self, container: str) -> None:
        """Drops the resources of a container on all tasks."""
        self._cluster.call_all("reset", container)

    def all(self) -> Iterator[tuple[str, str, Any]]:
        """Raises UNIMPLEMENTED: the objects are in other processes."""
        raise TfgError(Status.UNIMPLEMENTED, "queues cannot be closed from outside on a cluster")
