"""Values of dtype variant: the base class of those that have content, and the empty variant."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graphfmt.errors import Status, TfgError, invalid


class Variant:
    """Base class of variant tensors of rank 0; passes for an object array of rank 0 where values are only moved."""

    shape = ()
    ndim = 0
    size = 1
    dtype = np.dtype(object)
    __slots__ = ()

    def reshape(self, *shape: Any) -> Any:
        """Returns an object array of the given shape that holds this variant alone."""
        array = np.empty((), object)
        array[()] = self
        return array.reshape(*shape)


class NoValue(Variant):
    """The empty variant: the zero of dtype variant."""

    __slots__ = ()

    def zeros_like(self) -> Any:
        raise invalid("an empty variant has no zeros_like")

    def __add__(self, other: Any) -> Any:
        raise TfgError(Status.INTERNAL, "an empty variant cannot be added to anything")

    __radd__ = __add__


NO_VALUE = NoValue()
