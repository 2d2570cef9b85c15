"""What every format of checkpoint has in common: named tensors, whole or in slices, and who reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ..dtypes import DType
    from ..tensors import Array


class Slice(NamedTuple):
    """A part of a tensor: where it begins and how long it is, per dimension, with -1 for all of it."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]


class TensorEntry(NamedTuple):
    """A tensor as its checkpoint describes it: ``shape`` is that of the whole tensor; ``slices`` are the parts
    that it is kept in, none where it is kept whole."""

    dtype: DType
    shape: tuple[int, ...]
    slices: tuple[Slice, ...] = ()


class StoredTensor(NamedTuple):
    """A tensor to be written. Of a ``part`` (of a whole of ``shape``), ``array`` holds the part alone.
    ``dtype`` is asked for where numpy has one type for two of TensorFlow's (int8 and qint8)."""

    name: str
    array: Array
    part: Slice | None = None
    shape: tuple[int, ...] | None = None
    dtype: DType | None = None


class CheckpointReader(Protocol):
    """An open checkpoint. Nothing is read before it is asked for, and nothing is believed that does not
    verify."""

    path: str

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        """The tensors by name, in the order of their names."""
        ...

    def read(self, name: str, part: Slice | None = None) -> Array:
        """A tensor, or a part of it, put together from the slices it is kept in.

        Raises NOT_FOUND where there is no such tensor, DATA_LOSS where the bytes do not verify,
        INVALID_ARGUMENT for a part that does not lie in the tensor or that its slices do not cover.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> CheckpointReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
