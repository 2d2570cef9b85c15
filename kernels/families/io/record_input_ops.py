"""RecordInput: batches of records of TFRecord files, shuffled, without end (record_input_op.cc and record_yielder.cc in
TensorFlow, whose order depends on its threads)."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ....graphfmt.records.record_file import RecordReader
from ....graphfmt.shapes import Shape
from ...core.cancellation import check
from ...core.registry import Family
from ...core.traits import Effects, GpuSupport, StateAccess
from ...numeric.philox import Philox
from ...numeric.string_tensors import array_of
from ..random.word_streams import WordStream

if TYPE_CHECKING:
    from ....graphfmt.tensors import Array
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_COMPRESSIONS = ("", "ZLIB", "GZIP")


@dataclass(frozen=True)
class RecordSource:
    """The files of a RecordInput, and how they are shuffled.

    Attributes:
        buffer_size: number of records among which the next one is drawn.
        shift_ratio: share of the files by which each epoch begins later than the one before.
    """

    pattern: str
    compression: str
    seed: int
    buffer_size: int
    shift_ratio: float


class RecordYielder:
    """Yields records without end: every file once an epoch, in an order drawn anew, and each record from a buffer."""

    kind = "RecordYielder"

    def __init__(self, source: RecordSource) -> None:
        self._source = source
        self._lock = Lock()
        self._words = WordStream(Philox.from_seeds(source.seed, 0))
        self._epoch = -1
        self._files: list[str] = []
        self._reader: RecordReader | None = None
        self._buffer: list[bytes] = []
        self._found = False

    def describe(self) -> str:
        """Returns a description for people."""
        return f"records of {self._source.pattern!r} (epoch {self._epoch}, {len(self._buffer)} buffered)"

    def take(self, count: int) -> list[bytes]:
        """Returns the next records. Raises NOT_FOUND where no file matches or none has a record, DATA_LOSS for a
        damaged one."""
        with self._lock:
            return [self._next() for _ in range(count)]

    def _next(self) -> bytes:
        while len(self._buffer) < self._source.buffer_size:
            record = self._read()
            if record is None:
                break
            self._buffer.append(record)
        if not self._buffer:
            raise TfgError(Status.NOT_FOUND, f"Found no records at {self._source.pattern}")
        place = self._words.next() % len(self._buffer)
        self._buffer[place], self._buffer[-1] = self._buffer[-1], self._buffer[place]
        return self._buffer.pop()

    def _read(self) -> bytes | None:
        """The next record of the files; None at the end of an epoch, until the buffer is empty."""
        while True:
            check()
            if self._reader is None:
                if not self._files and not self._begin_epoch():
                    return None
                self._reader = RecordReader(self._files[0], self._source.compression)
            record = self._reader.read()
            if record is not None:
                self._found = True
                return record
            self._close()
            del self._files[0]

    def _begin_epoch(self) -> bool:
        """Draws the order of the files; False while records of the last epoch are left, and where no file has any."""
        if self._buffer or (self._epoch >= 0 and not self._found):
            return False
        names = sorted(glob.glob(self._source.pattern))  # noqa: PTH207 (patterns may be absolute)
        if not names:
            raise TfgError(Status.NOT_FOUND, f"Found no files at {self._source.pattern}")
        self._epoch += 1
        for place in range(len(names) - 1, 0, -1):
            other = self._words.next() % (place + 1)
            names[place], names[other] = names[other], names[place]
        shift = int(self._epoch * self._source.shift_ratio * len(names)) % len(names)
        self._files = names[shift:] + names[:shift]
        return True

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def save(self) -> dict[str, Array]:
        with self._lock:
            offset = -1 if self._reader is None else self._reader.offset
            files = [name.encode("utf-8", "surrogateescape") for name in self._files]
            return {
                "numbers": np.array([self._epoch, offset, self._found], np.int64),
                "files": array_of((len(files),), files),
                "buffer": array_of((len(self._buffer),), list(self._buffer)),
                **{f"words/{name}": value for name, value in self._words.save().items()},
            }

    def load(self, state: dict[str, Array]) -> None:
        with self._lock:
            self._close()
            epoch, offset, found = np.asarray(state["numbers"]).tolist()
            self._epoch, self._found = epoch, bool(found)
            files = np.asarray(state["files"], object).reshape(-1).tolist()
            self._files = [name.decode("utf-8", "surrogateescape") for name in files]
            self._buffer = np.asarray(state["buffer"], object).reshape(-1).tolist()
            start = "words/"
            self._words.load({k.removeprefix(start): v for k, v in state.items() if k.startswith(start)})
            if offset >= 0:
                self._reader = RecordReader(self._files[0], self._source.compression, offset)


def _records_shape(c: ShapeContext) -> Shape:
    return Shape((c.attr("batch_size"),))


record_input = op(
    "RecordInput(; file_pattern: string, file_random_seed: int = 301, file_shuffle_shift_ratio: float = 0, "
    "file_buffer_size: int = 10000, file_parallelism: int = 16, batch_size: int = 32, "
    'compression_type: string = "") -> (records: string)',
    shape=_records_shape,
    stateful=True,
    state=StateAccess.CHANGES,
    effects=Effects(reads_files=("file_pattern",)),
)


@record_input.kernel
def _(
    ctx: Any, xp: Any, *, node_name: str, file_pattern: str, file_random_seed: int, file_shuffle_shift_ratio: float,
    file_buffer_size: int, file_parallelism: int, batch_size: int, compression_type: str,
) -> Any:  # fmt: skip
    if compression_type not in _COMPRESSIONS:
        raise invalid(f"Unsupported compression_type: {compression_type}")
    for name, value in (
        ("file_buffer_size", file_buffer_size),
        ("file_parallelism", file_parallelism),
        ("batch_size", batch_size),
    ):
        if value < 1:
            raise invalid(f"{name} must be positive, but is {value}")
    source = RecordSource(
        file_pattern, compression_type, file_random_seed, file_buffer_size, file_shuffle_shift_ratio
    )
    yielder = ctx.resource("", node_name, RecordYielder, lambda: RecordYielder(source))
    return array_of((batch_size,), yielder.take(batch_size))
