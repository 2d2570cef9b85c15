"""TFRecordReader, TextLineReader and other readers, and what is done with them, in both versions (reader_ops.cc and its
relatives in TensorFlow).

A handle, a reference to a string or a resource, is the reader itself. What may have to wait for work is asynchronous.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport, StateAccess
from ...numeric import int_arguments
from ...numeric.string_tensors import array_of, to_value
from ..data_flow.queues import Queue
from . import work_formats
from .readers import Reader, ReadRequest, check_work_queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...core.inference import ShapeContext
    from ..data_flow.queues import Done

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_NAMES = 'container: string = "", shared_name: string = ""'


def _pair(c: ShapeContext) -> Shape:
    """The shape of a V1 handle: container and name."""
    return Shape((2,))


def _declare_reader(kind: str, attrs: str, kernel: Callable[..., Any], *, version: str = "") -> None:
    op(
        f"{kind}{version}(; {attrs}) -> (reader_handle: {'resource' if version else 'Ref(string)'})",
        shape=shapes.scalar if version else _pair,
        stateful=True,
        differentiable=bool(version),
        state=StateAccess.READS,
    ).kernel(kernel)


def _named(ctx: Any, names: tuple[str, str, str], make: Callable[[], work_formats.WorkFormat]) -> Reader:
    """Returns the reader of a container, shared name or node name, which is made on first use."""
    container, shared_name, node_name = names
    name = shared_name or node_name
    return ctx.resource(container, name, Reader, lambda: Reader(name, make()))


def _identity(ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str) -> Reader:
    return _named(ctx, (container, shared_name, node_name), work_formats.IdentityFormat)


def _whole_file(ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str) -> Reader:
    return _named(ctx, (container, shared_name, node_name), work_formats.WholeFileFormat)


def _text_line(
    ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str, skip_header_lines: int
) -> Reader:
    _check_size("skip_header_lines", skip_header_lines)
    names = (container, shared_name, node_name)
    return _named(ctx, names, lambda: work_formats.TextLineFormat(skip_header_lines))


def _records(
    ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str, compression_type: str
) -> Reader:
    names = (container, shared_name, node_name)
    return _named(ctx, names, lambda: work_formats.TFRecordFormat(_known_compression(compression_type)))


def _fixed_length(
    ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str, header_bytes: int, record_bytes: int,
    footer_bytes: int, hop_bytes: int,
) -> Reader:  # fmt: skip
    layout = _layout(header_bytes, record_bytes, footer_bytes, hop_bytes)
    return _named(ctx, (container, shared_name, node_name), lambda: layout)


def _fixed_length_v2(
    ctx: Any, xp: Any, *, node_name: str, container: str, shared_name: str, header_bytes: int, record_bytes: int,
    footer_bytes: int, hop_bytes: int, encoding: str,
) -> Reader:  # fmt: skip
    layout = _layout(header_bytes, record_bytes, footer_bytes, hop_bytes)
    compressed = replace(layout, compression=_known_compression(encoding))
    return _named(ctx, (container, shared_name, node_name), lambda: compressed)


def _layout(header: int, record: int, footer: int, hop: int) -> work_formats.FixedLengthFormat:
    _check_size("header_bytes", header)
    _check_size("record_bytes", record, least=1)
    _check_size("footer_bytes", footer)
    _check_size("hop_bytes", hop)
    return work_formats.FixedLengthFormat(header, record, footer, hop or record)


def _check_size(what: str, size: int, least: int = 0) -> None:
    if size < least:
        raise invalid(f"{what} must be >= {least} not {size}")


def _known_compression(name: str) -> str:
    """Returns a compression; as in TensorFlow, files of an unknown one are read as they are."""
    return name if name in ("ZLIB", "GZIP") else ""


_SIZES = "header_bytes: int = 0, record_bytes: int, footer_bytes: int = 0, hop_bytes: int = 0"
for _version in ("", "V2"):
    _declare_reader("IdentityReader", _NAMES, _identity, version=_version)
    _declare_reader("WholeFileReader", _NAMES, _whole_file, version=_version)
    _declare_reader("TextLineReader", f"skip_header_lines: int = 0, {_NAMES}", _text_line, version=_version)
    _declare_reader("TFRecordReader", f'{_NAMES}, compression_type: string = ""', _records, version=_version)
_declare_reader("FixedLengthRecordReader", f"{_SIZES}, {_NAMES}", _fixed_length)
_declare_reader(
    "FixedLengthRecordReader", f'{_SIZES}, {_NAMES}, encoding: string = ""', _fixed_length_v2, version="V2"
)


def _reader(handle: Any) -> Reader:
    """Returns the reader of a handle. Raises INVALID_ARGUMENT if it is none."""
    if not isinstance(handle, Reader):
        raise invalid(f"the handle must be of a reader, but is of a {type(handle).__name__}")
    return handle


def _work_queue(handle: Any) -> Queue:
    if not isinstance(handle, Queue):
        raise invalid(f"queue_handle must be of a queue, but is of a {type(handle).__name__}")
    check_work_queue(handle)
    return handle


def _read(ctx: Any, xp: Any, reader_handle: Any, queue_handle: Any, *, done: Done) -> Any:
    def report(result: Any) -> None:
        done([to_value(part) for part in result[0]] if isinstance(result, list) else result)

    return _reader(reader_handle).begin(ReadRequest(_work_queue(queue_handle), None, report))


def _read_up_to(
    ctx: Any, xp: Any, reader_handle: Any, queue_handle: Any, num_records: Any, *, done: Done
) -> Any:
    limit = int_arguments.int_scalar(num_records, "num_records")
    if limit < 0:
        raise invalid(f"num_records must not be negative, but is {limit}")

    def report(result: Any) -> None:
        done(_columns(result) if isinstance(result, list) else result)

    return _reader(reader_handle).begin(ReadRequest(_work_queue(queue_handle), limit, report))


def _columns(records: Any) -> list[Any]:
    return [array_of((len(records),), [record[part] for record in records]) for part in (0, 1)]


def _records_produced(xp: Any, reader_handle: Any) -> Any:
    return np.int64(_reader(reader_handle).records_produced)


def _units_completed(xp: Any, reader_handle: Any) -> Any:
    return np.int64(_reader(reader_handle).units_completed)


def _serialize(xp: Any, reader_handle: Any) -> Any:
    return to_value(_reader(reader_handle).serialize())


def _restore(xp: Any, reader_handle: Any, state: Any) -> Any:
    if np.ndim(state):
        raise invalid(f"Reader state must be scalar, but saw shape: {list(np.shape(state))}")
    serialized: Any = state[()] if isinstance(state, np.ndarray) else state
    _reader(reader_handle).restore(serialized)
    return ()


def _reset(xp: Any, reader_handle: Any) -> Any:
    _reader(reader_handle).reset()
    return ()


def _restore_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank("state", 0)
    return []


def _two_scalars(c: ShapeContext) -> list[Shape]:
    return [Shape(()), Shape(())]


def _two_vectors(c: ShapeContext) -> list[Shape]:
    c.with_rank("num_records", 0)
    return [Shape((None,)), Shape((None,))]


def _declare_uses(version: str, handle: str) -> None:
    stateful = bool(version)
    common: dict[str, Any] = {"stateful": stateful, "differentiable": stateful}
    changes: dict[str, Any] = {**common, "state": StateAccess.CHANGES}
    reads: dict[str, Any] = {**common, "state": StateAccess.READS}
    own = f"reader_handle: {handle}"
    op(
        f"ReaderRead{version}({own}, queue_handle: {handle}) -> (key: string, value: string)",
        shape=_two_scalars,
        asynchronous=True,
        **changes,
    ).kernel(_read)
    op(
        f"ReaderReadUpTo{version}({own}, queue_handle: {handle}, num_records: int64) -> (keys: string, values: string)",
        shape=_two_vectors,
        asynchronous=True,
        **changes,
    ).kernel(_read_up_to)
    for name, output, kernel in (
        ("ReaderNumRecordsProduced", "records_produced: int64", _records_produced),
        ("ReaderNumWorkUnitsCompleted", "units_completed: int64", _units_completed),
        ("ReaderSerializeState", "state: string", _serialize),
    ):
        op(f"{name}{version}({own}) -> ({output})", shape=shapes.scalar, **reads).kernel(kernel)
    op(f"ReaderRestoreState{version}({own}, state: string)", shape=_restore_shape, **changes).kernel(_restore)
    op(f"ReaderReset{version}({own})", shape=shapes.no_outputs, **changes).kernel(_reset)


_declare_uses("", "Ref(string)")
_declare_uses("V2", "resource")
