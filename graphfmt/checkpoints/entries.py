"""Named tensors, whole or in slices, and the reader interface: common to all checkpoint formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ..dtypes import DType
    from ..tensors import Array


class Slice(NamedTuple):
    """A part of a tensor: start and length per dimension; length -1 is the whole dimension."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]


class TensorEntry(NamedTuple):
    """A tensor in a checkpoint: dtype, shape of the whole tensor, and the slices it is stored in.

    ``slices`` is empty for a tensor stored whole.
    """

    dtype: DType
    shape: tuple[int, ...]
    slices: tuple[Slice, ...] = ()


class StoredTensor(NamedTuple):
    """A tensor to write. With ``part``, ``array`` holds only that part of a tensor of ``shape``.

    ``dtype`` is needed where one numpy type stands for several dtypes (int8 and qint8).
    """

    name: str
    array: Array
    part: Slice | None = None
    shape: tuple[int, ...] | None = None
    dtype: DType | None = None


class CheckpointReader(Protocol):
    """An open checkpoint. Tensors are read on demand and verified by their checksums."""

    path: str

    @property
    def entries(self) -> Mapping[str, TensorEntry]:
        """The tensors by name, in the order of their names."""
        ...

    def read(self, name: str, part: Slice | None = None) -> Array:
        """Reads a tensor, or a part of it, assembled from its stored slices.

        Raises NOT_FOUND for an unknown tensor, DATA_LOSS for damaged bytes, INVALID_ARGUMENT for a part outside the
        tensor or not covered by its slices.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> CheckpointReader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
