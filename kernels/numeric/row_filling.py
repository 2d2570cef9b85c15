"""Rows without elements that get one default element each: what SparseFillEmptyRows and RaggedFillEmptyRows share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...graphfmt.errors import invalid
from ...graphfmt.shapes import Shape


class FilledRows(NamedTuple):
    """Rows none of which is empty.

    ``order`` takes the elements, with the added ones behind them, to their new order, and ``rows`` has the row of each.
    ``empty`` (bool[rows]) tells which rows had none, ``new_place`` where each of the old elements is now.
    """

    order: Any
    rows: Any
    empty: Any
    new_place: Any

    def values(self, values: Any, default: Any) -> Any:
        """Returns the elements of the filled rows."""
        fill = np.empty(len(self.order) - len(values), values.dtype)
        fill[:] = default if values.dtype != object else np.asarray(default, object).item()
        return np.concatenate([values, fill])[self.order]


def check_rows(row_of: Any, rows: int, what: str) -> None:
    """Raises INVALID_ARGUMENT for a row that is not in [0, rows)."""
    outside = (row_of < 0) | (row_of >= rows)
    if outside.any():
        place = int(outside.argmax())
        raise invalid(f"{what}[{place}] = {row_of[place]} is not in [0, {rows})")


def fill_rows(row_of: Any, rows: int) -> FilledRows:
    """Fills the empty ones among ``rows`` rows; ``row_of`` has the row of each element, which is checked before."""
    empty = np.bincount(row_of, minlength=rows)[:rows] == 0
    all_rows = np.concatenate([row_of, np.flatnonzero(empty)])
    order = np.argsort(all_rows, kind="stable")
    new_place = np.empty(len(order), np.int64)
    new_place[order] = np.arange(len(order))
    return FilledRows(order, all_rows[order], empty, new_place[: len(row_of)])


def filled_grads(index_map: Any, grads: Any) -> list[Any]:
    """Returns the gradients of the old elements and of the default from those of the filled rows' elements."""
    if index_map.ndim != 1 or grads.ndim != 1:
        raise invalid(
            "reverse_index_map and grad_values must be vectors, but have shapes "
            f"{Shape(index_map.shape)} and {Shape(grads.shape)}"
        )
    if index_map.size and not (index_map.min() >= 0 and index_map.max() < len(grads)):
        raise invalid(f"reverse_index_map must be in [0, {len(grads)}), but has {index_map.tolist()[:8]}")
    rest = np.ones(len(grads), bool)
    rest[index_map] = False
    return [grads[index_map], grads[rest].sum(dtype=grads.dtype)]
