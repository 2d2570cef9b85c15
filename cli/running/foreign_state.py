"""Explains a variable without a value in a run that began with a state: the state may be another graph's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...graphfmt.errors import TfgError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ...graphfmt.graph import Graph

# Names that a message lists at most.
_SHOWN = 4
_UNINITIALIZED = "uninitialized value"


def with_names(error: TfgError, graph: Graph, state: Path) -> TfgError:
    """Returns the error; one about a variable without a value has a hint with what the state has and lacks."""
    if _UNINITIALIZED in error.message:
        error.hint = _compared(graph, state) or error.hint
    return error


def _compared(graph: Graph, path: Path) -> str | None:
    from ...graphfmt.checkpoints.open import open_checkpoint
    from ...runtime.checkpointing.variables import graph_variables

    try:
        with open_checkpoint(path) as reader:
            there = set(reader.entries)
    except TfgError:
        return None
    missing = [
        name for name in dict.fromkeys(one.name for one in graph_variables(graph)) if name not in there
    ]
    if not missing:
        return None
    return f"{path} lacks {_listed(missing)}" + (
        f"; it has {_listed(sorted(there))}" if there else " and is empty"
    )


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
