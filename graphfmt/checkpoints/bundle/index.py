"""The index of a bundle (TensorFlow's V2 checkpoint): the tensors, and the positions of their bytes in data files.

A bundle is the file PREFIX.index and one data file per writer ("shard"), PREFIX.data-00000-of-00001 and so on. A key
of the index is a tensor's name or denotes one of its slices (``table.slice_keys``); the empty key holds the header.
Source: TensorFlow's tensor_bundle.proto and tensor_bundle.h.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from ... import dtypes
from ...errors import Location, Status, TfgError, invalid
from ...proto.binary import parse_message
from ...proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto, TensorSliceProto
from ...shapes import LARGEST_ITEM, check_bytes
from ..data_file import DataFile, data_loss
from ..entries import Slice
from ..slices import ALL, region_of
from ..table.sstable import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...dtypes import DType
    from ...proto.graph_pb2 import VersionDef
    from ...proto.tensor_pb2 import TensorShapeProto

HEADER_KEY = b""

# The version of the format that TensorFlow has written since 2016.
VERSION = 1


class Index(NamedTuple):
    """An index as stored: the header, and all entries by key, including those of slices."""

    header: BundleHeaderProto
    entries: dict[bytes, BundleEntryProto]


def index_name(prefix: str) -> str:
    return f"{prefix}.index"


def shard_name(prefix: str, shard: int, count: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{count:05d}"


def read_index(prefix: str) -> Index:
    """Reads the index of a bundle. Raises NOT_FOUND, DATA_LOSS, or FAILED_PRECONDITION for an unknown version."""
    path = index_name(prefix)
    with closing(DataFile(path)) as file:
        items = Table(file).items()
        key, value = next(items, (None, b""))
        if key != HEADER_KEY:
            raise data_loss(path, "the index has no header")
        header = parse_message(BundleHeaderProto(), value, path)
        check_version(header.version, path)
        if header.num_shards < 0:
            raise data_loss(path, f"the index counts {header.num_shards} data files")
        return Index(header, {key: parse_message(BundleEntryProto(), value, path) for key, value in items})


def check_version(version: VersionDef, path: str) -> None:
    """Raises FAILED_PRECONDITION for a checkpoint that excludes readers of this version."""
    if version.min_consumer > VERSION or VERSION in version.bad_consumers:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"{path} has a newer version of the format: it needs a reader of version {version.min_consumer} or newer, "
            f"except {list(version.bad_consumers)}; this reader has version {VERSION}",
            location=Location(path),
        )


def dtype_of(number: int) -> DType:
    """Returns a dtype by its number. Raises INVALID_ARGUMENT for one that no tensor has."""
    dtype = dtypes.of_number(number)
    if dtype is dtypes.INVALID or dtype.is_ref:
        raise invalid(f"a tensor cannot be of dtype {dtype}")
    return dtype


def shape_of_message(message: TensorShapeProto) -> tuple[int, ...]:
    """Returns the shape in a message. Raises INVALID_ARGUMENT for one that no tensor has."""
    shape = tuple(dim.size for dim in message.dim)
    if message.unknown_rank or any(size < 0 for size in shape):
        raise invalid(f"a tensor cannot be of shape {list(shape)}")
    check_bytes(shape, LARGEST_ITEM)
    return shape


def slices_of(messages: Iterable[TensorSliceProto], shape: tuple[int, ...]) -> tuple[Slice, ...]:
    """Returns the slices in messages. Raises INVALID_ARGUMENT for a slice outside the shape."""
    slices = tuple(_slice_of(message) for message in messages)
    for part in slices:
        region_of(part, shape)
    return slices


def _slice_of(message: TensorSliceProto) -> Slice:
    extents = message.extent
    lengths = tuple(extent.length if extent.HasField("length") else ALL for extent in extents)
    return Slice(tuple(extent.start for extent in extents), lengths)


def slice_message(part: Slice) -> TensorSliceProto:
    message = TensorSliceProto()
    for start, length in zip(*part):
        extent = message.extent.add()
        if (start, length) != (0, ALL):
            extent.start = start
            extent.length = length
    return message
