"""A tensor that is read only while it is written, so that copying checkpoints needs little memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from ..tensors import Array


@dataclass(frozen=True)
class LazyTensor:
    """A numeric tensor of a ``SavedState``, read on demand. ``read`` returns the elements in a box.

    It is called for one box after another; its errors are raised by the writing function.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    read: Callable[[tuple[slice, ...]], Array]

    def __getitem__(self, box: tuple[Any, ...]) -> Array:
        """Returns the elements in a box; a trailing ellipsis, as arrays accept, is ignored."""
        return self.read(tuple(side for side in box if side is not Ellipsis))
