"""Tuples of tensors among the arrays of a resource's state: ``name/0``, ``name/1``, …"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ....graphfmt.tensors import Array


def save_tuple(name: str, values: Sequence[Any]) -> dict[str, Array]:
    """Returns the components of a tuple as arrays; those that are None are left out."""
    return {f"{name}/{place}": np.array(value) for place, value in enumerate(values) if value is not None}


def load_tuple(name: str, state: Mapping[str, Array], width: int | None = None) -> list[Any]:
    """Returns the components of a tuple, None for those that are not there. Without ``width``, all are there."""
    count = sum(key.startswith(f"{name}/") for key in state) if width is None else width
    return [state.get(f"{name}/{place}") for place in range(count)]
