"""A tensor that is read when it is written: what goes from one checkpoint to another need not be in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ..tensors import Array


@dataclass(frozen=True)
class LazyTensor:
    """Stands for an array of numbers in a ``State`` that is to be written. ``read`` gives a box of it; it is
    called for one box after the other, and what it raises is what writing raises."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    read: Callable[[tuple[slice, ...]], Array]

    def __getitem__(self, box: tuple[Any, ...]) -> Array:
        """The elements in a box, whose last side may be an ellipsis that stands for nothing, as arrays take
        it."""
        return self.read(tuple(side for side in box if side is not Ellipsis))
