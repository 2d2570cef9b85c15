"""The index of a bundle, TensorFlow's checkpoints since 2016: which tensors there are, and where in which data
file their bytes lie.

A bundle is the files PREFIX.index and PREFIX.data-00000-of-00001, or as many data files, called shards, as
there were writers. A key of the index is a tensor's name, or stands for one of its slices (slicekeys); the
empty key holds the header. Source: TensorFlow's tensor_bundle.proto and tensor_bundle.h.
"""

from __future__ import annotations

from contextlib import closing
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ... import dtypes
from ...errors import Location, Status, TfgError, invalid
from ...proto.binary import parse_message
from ...proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto, TensorSliceProto
from ...shapes import MAX_ELEMENTS
from ..data_file import DataFile, lost
from ..entries import Slice
from ..slices import ALL, region_of
from ..table.sstable import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...dtypes import DType
    from ...proto.graph_pb2 import VersionDef
    from ...proto.tensor_pb2 import TensorShapeProto

HEADER_KEY = b""

# The version of the format that TensorFlow writes since 2016.
VERSION = 1


class Index(NamedTuple):
    """An index as it stands: the entries by key, those of slices too."""

    header: BundleHeaderProto
    entries: dict[bytes, BundleEntryProto]


def index_name(prefix: str) -> str:
    return f"{prefix}.index"


def shard_name(prefix: str, shard: int, count: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{count:05d}"


def read_index(prefix: str) -> Index:
    """The index of a bundle. Raises NOT_FOUND, DATA_LOSS, or FAILED_PRECONDITION for a version of the format
    that is not known."""
    path = index_name(prefix)
    with closing(DataFile(path)) as file:
        items = Table(file).items()
        key, value = next(items, (None, b""))
        if key != HEADER_KEY:
            raise lost(path, "the index has no header")
        header = parse_message(BundleHeaderProto(), value, path)
        check_version(header.version, path)
        if header.num_shards < 0:
            raise lost(path, f"the index counts {header.num_shards} data files")
        return Index(header, {key: parse_message(BundleEntryProto(), value, path) for key, value in items})


def check_version(version: VersionDef, path: str) -> None:
    """Raises FAILED_PRECONDITION for a checkpoint that says that this reader cannot read it."""
    if version.min_consumer > VERSION or VERSION in version.bad_consumers:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            f"{path} is of a later version of the format: it asks for readers of version "
            f"{version.min_consumer} or newer, and not {list(version.bad_consumers)}; this is {VERSION}",
            location=Location(path),
        )


def dtype_of(number: int) -> DType:
    """The type in an index. Raises INVALID_ARGUMENT for none that a tensor can have."""
    dtype = dtypes.of_number(number)
    if dtype is dtypes.INVALID or dtype.is_ref:
        raise invalid(f"a tensor cannot be of dtype {dtype}")
    return dtype


def shape_of_message(message: TensorShapeProto) -> tuple[int, ...]:
    """The shape in an index. Raises INVALID_ARGUMENT for one that no tensor can have."""
    shape = tuple(dim.size for dim in message.dim)
    if message.unknown_rank or any(size < 0 for size in shape) or prod(shape) > MAX_ELEMENTS:
        raise invalid(f"a tensor cannot be of shape {list(shape)}")
    return shape


def slices_of(messages: Iterable[TensorSliceProto], shape: tuple[int, ...]) -> tuple[Slice, ...]:
    """The slices in an index. Raises INVALID_ARGUMENT for one that does not lie in the shape."""
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
