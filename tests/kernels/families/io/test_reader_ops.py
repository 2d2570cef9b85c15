"""Readers of files: their records and keys, counts, errors, waiting, saved positions."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.records.record_file import framed

from ...harness import graph_case, i64, table_tests
from ..data_flow.sequences import in_order


class Files:
    """A graph with a queue of names of files and a reader of them, in either version."""

    def __init__(self, kind: str, version: str = "V2", **attrs: Any) -> None:
        self.g = tfg.GraphBuilder()
        self.version = version
        names = {"shared_name": "files"}
        self.queue = self.add("FIFOQueue", component_types=["string"], shapes=[[]], name="queue", **names)
        self.files = self.g.placeholder("string", [None], name="files")
        self.add("QueueEnqueueMany", self.queue, [self.files], name="enqueue")
        self.add("QueueClose", self.queue, name="close")
        self.reader = self.add(kind, name="reader", **attrs)
        self.add("ReaderRead", self.reader, self.queue, name="read")
        self.limit = self.g.placeholder("int64", [], name="limit")
        self.add("ReaderReadUpTo", self.reader, self.queue, self.limit, name="read_up_to")
        self.add("ReaderNumRecordsProduced", self.reader, name="produced")
        self.add("ReaderNumWorkUnitsCompleted", self.reader, name="completed")
        self.add("ReaderSerializeState", self.reader, name="serialize")
        self.add(
            "ReaderRestoreState", self.reader, self.g.placeholder("string", [], name="saved"), name="restore"
        )
        self.add("ReaderReset", self.reader, name="reset")

    def add(self, op: str, *inputs: Any, **attrs: Any) -> Any:
        return self.g.add_op(f"{op}{self.version}", *inputs, **attrs)

    def session(self, *files: str | Path, closed: bool = True) -> tfg.Session:
        session = tfg.Session(self.g.graph())
        if files:
            session.run(targets=["enqueue"], feeds={"files": [str(file) for file in files]})
        if closed:
            session.run(targets=["close"])
        return session


def read(session: tfg.Session) -> tuple[str, bytes]:
    key, value = session.run(["read:0", "read:1"])
    return Path(key[()].decode()).name, value[()]


def read_all(session: tfg.Session) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    while True:
        try:
            found.append(read(session))
        except tfg.TfgError as error:
            assert error.status == "OUT_OF_RANGE", error
            return found


def counts(session: tfg.Session) -> list[int]:
    return [int(value) for value in session.run(["produced", "completed"])]


def error_of(call: Callable[[], Any]) -> str:
    with pytest.raises(tfg.TfgError) as caught:
        call()
    return f"{caught.value.status}: {caught.value}"


def records_file(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(map(framed, records)))
    return path


@pytest.mark.parametrize("version", ["", "V2"])
def test_records_have_their_position_as_key(tmp_path: Path, version: str) -> None:
    first = records_file(tmp_path / "a", b"one", b"two")
    empty = records_file(tmp_path / "empty")
    last = records_file(tmp_path / "b", b"", b"3")
    session = Files("TFRecordReader", version).session(first, empty, last)
    assert counts(session) == [0, 0]
    assert read_all(session) == [("a:0", b"one"), ("a:19", b"two"), ("b:0", b""), ("b:16", b"3")]
    assert counts(session) == [4, 3]


@pytest.mark.parametrize(("name", "bits"), [("ZLIB", 15), ("GZIP", 31)])
def test_compressed_records(tmp_path: Path, name: str, bits: int) -> None:
    deflate = zlib.compressobj(wbits=bits)
    (tmp_path / "a").write_bytes(deflate.compress(framed(b"one") + framed(b"two")) + deflate.flush())
    session = Files("TFRecordReader", compression_type=name).session(tmp_path / "a")
    assert read_all(session) == [("a:0", b"one"), ("a:19", b"two")]


def test_lines_are_numbered_after_the_header(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"h1\na\rb\r\n\nlast\r")
    (tmp_path / "empty").write_bytes(b"")
    session = Files("TextLineReader", skip_header_lines=1).session(tmp_path / "a", tmp_path / "empty")
    assert read_all(session) == [("a:2", b"a\rb"), ("a:3", b""), ("a:4", b"last")]
    assert counts(session) == [3, 2]


@pytest.mark.parametrize(
    ("attrs", "records"),
    [
        ({"record_bytes": 4, "header_bytes": 3, "footer_bytes": 2}, [(3, 7), (7, 11), (11, 15)]),
        ({"record_bytes": 4, "hop_bytes": 2}, [(n, n + 4) for n in range(0, 18, 2)]),
        ({"record_bytes": 4, "hop_bytes": 9}, [(0, 4), (9, 13)]),
        ({"record_bytes": 1 << 50}, []),
        ({"record_bytes": 7, "encoding": "unknown"}, [(0, 7), (7, 14)]),
    ],
)
def test_fixed_length_records(tmp_path: Path, attrs: dict[str, Any], records: list[tuple[int, int]]) -> None:
    data = bytes(range(20))
    (tmp_path / "f").write_bytes(data)
    session = Files("FixedLengthRecordReader", **attrs).session(tmp_path / "f")
    assert read_all(session) == [(f"f:{i}", data[a:b]) for i, (a, b) in enumerate(records)]


def test_a_file_shorter_than_its_header_ends_as_in_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"ab")
    session = Files("FixedLengthRecordReader", record_bytes=1, header_bytes=3).session(tmp_path / "f")
    assert "reached end of file" in error_of(lambda: read(session))
    assert "closed" in error_of(lambda: read(session))
    assert counts(session) == [0, 0]


def test_compressed_records_of_fixed_length(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(zlib.compress(bytes(range(9))))
    session = Files("FixedLengthRecordReader", record_bytes=4, encoding="ZLIB").session(tmp_path / "f")
    assert [value for _, value in read_all(session)] == [bytes(range(4)), bytes(range(4, 8))]


def test_whole_files_and_work_itself(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x00\xff")
    session = Files("WholeFileReader").session(tmp_path / "a")
    assert read_all(session) == [("a", b"\x00\xff")]
    session = Files("IdentityReader").session("x", "y")
    keys, values = session.run(["read_up_to:0", "read_up_to:1"], feeds={"limit": 5})
    assert (keys.tolist(), values.tolist(), counts(session)) == ([b"x"], [b"x"], [1, 1])


def test_a_batch_ends_with_its_file(tmp_path: Path) -> None:
    path = records_file(tmp_path / "a", b"one", b"two", b"three")
    session = Files("TFRecordReader").session(path, path)

    def batch(limit: int) -> list[bytes]:
        return session.run(["read_up_to:1"], feeds={"limit": limit})[0].tolist()

    assert batch(0) == []
    assert [batch(2), batch(2)] == [[b"one", b"two"], [b"three"]]
    assert counts(session) == [3, 1]
    assert batch(1 << 60) == [b"one", b"two", b"three"]
    assert "INVALID_ARGUMENT" in error_of(lambda: batch(-1))
    assert "OUT_OF_RANGE" in error_of(lambda: batch(2))


def test_a_missing_file_is_dropped_and_a_whole_one_tried_again(tmp_path: Path) -> None:
    path = records_file(tmp_path / "a", b"one")
    session = Files("TFRecordReader").session(tmp_path / "none", path)
    assert error_of(lambda: read(session)).startswith("NOT_FOUND")
    assert read(session) == ("a:0", b"one")
    session = Files("WholeFileReader").session(tmp_path / "none")
    for _ in range(2):
        message = error_of(lambda: read(session))
        assert message.startswith("NOT_FOUND")
        assert str(tmp_path / "none") in message
    (tmp_path / "none").write_bytes(b"here")
    assert read(session) == ("none", b"here")
    assert "is a folder" in error_of(lambda: read(Files("WholeFileReader").session(tmp_path)))


def test_a_damaged_record_is_the_error_of_every_read(tmp_path: Path) -> None:
    path = records_file(tmp_path / "a", b"one", b"two", b"three")
    data = bytearray(path.read_bytes())
    data[19 + 12] ^= 1
    path.write_bytes(data)
    session = Files("TFRecordReader").session(path)
    assert read(session) == ("a:0", b"one")
    for _ in range(3):
        message = error_of(lambda: read(session))
        assert message.startswith("DATA_LOSS")
        assert f"{path}: the record at byte 19" in message
    assert counts(session) == [1, 0]


def test_a_length_beyond_the_file_allocates_nothing(tmp_path: Path) -> None:
    import google_crc32c
    from tfg.graphfmt.checkpoints.checksums import masked

    length = struct.pack("<Q", 1 << 62)
    (tmp_path / "a").write_bytes(length + struct.pack("<I", masked(google_crc32c.value(length))) + b"abc")
    assert error_of(lambda: read(Files("TFRecordReader").session(tmp_path / "a"))).startswith("DATA_LOSS")


def test_a_read_waits_for_work_without_a_thread(tmp_path: Path) -> None:
    path = records_file(tmp_path / "a", b"one", b"two", b"three")
    session = Files("TFRecordReader").session(closed=False)
    with ThreadPoolExecutor(3) as pool:
        steps = [pool.submit(read, session) for _ in range(3)]
        while len(session.waits()) < 3:
            pass
        assert "FIFOQueue 'queue'" in str(session.waits()[0]) or "FIFOQueue 'files'" in str(
            session.waits()[0]
        )
        assert "'enqueue'" in str(session.waits()[0])
        session.run(targets=["enqueue"], feeds={"files": [str(path)]})
        assert sorted(step.result()[1] for step in steps) == [b"one", b"three", b"two"]


def test_a_cancelled_read_leaves_the_work_to_the_next(tmp_path: Path) -> None:
    path = records_file(tmp_path / "a", b"one")
    session = Files("TFRecordReader").session(closed=False)
    for _ in range(2):
        assert "DEADLINE" in error_of(lambda: session.run(["read:0"], timeout=0.05))
    session.run(targets=["enqueue"], feeds={"files": [str(path)]})
    assert read(session) == ("a:0", b"one")


def test_many_empty_files_need_no_deep_calls(tmp_path: Path) -> None:
    (tmp_path / "e").write_bytes(b"")
    path = records_file(tmp_path / "a", b"one")
    session = Files("TFRecordReader").session(*[tmp_path / "e"] * 3000, path)
    assert read(session) == ("a:0", b"one")
    assert counts(session) == [1, 3000]


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize(
    ("kind", "attrs"),
    [
        ("TFRecordReader", {}),
        ("TextLineReader", {"skip_header_lines": 1}),
        (
            "FixedLengthRecordReader",
            {"record_bytes": 3, "header_bytes": 1, "hop_bytes": 2, "footer_bytes": 1},
        ),
        ("WholeFileReader", {}),
        ("IdentityReader", {}),
    ],
)
def test_a_saved_reader_goes_on_where_it_was(
    tmp_path: Path, kind: str, attrs: dict[str, Any], first: int
) -> None:
    paths = [records_file(tmp_path / name, b"1\n2", b"3\n\n", name.encode()) for name in "abc"]
    files = Files(kind, **attrs)
    whole = read_all(files.session(*paths))
    session = files.session(*paths)
    before = [read(session) for _ in range(min(first, len(whole)))]
    session.save(tmp_path / "s.h5")
    later = tfg.Session(files.g.graph())
    later.restore(tmp_path / "s.h5")
    assert before + read_all(later) == whole
    assert counts(later) == [len(whole), 3]


def test_a_serialized_state_is_restored_and_reset() -> None:
    files = Files("IdentityReader")
    session = files.session("x", "y")
    read(session)
    state = session.run(["serialize"])[0][()]
    assert state == b'\x08\x01\x10\x01\x18\x01"\x01x'
    session.run(targets=["reset"])
    assert counts(session) == [0, 0]
    session.run(targets=["restore"], feeds={"saved": state})
    assert counts(session) == [1, 1]
    negative = b"\x18\xff" + b"\xff" * 8 + b"\x01"
    for bad, words in ((b"\x08", "Could not parse"), (b"\x08\x01", "Inconsistent"), (negative, "negative")):
        assert words in error_of(partial(session.run, targets=["restore"], feeds={"saved": bad}))


@pytest.mark.parametrize("kind", ["TFRecordReader", "TextLineReader"])
def test_readers_of_files_cannot_be_serialized(kind: str) -> None:
    session = Files(kind).session()
    assert error_of(lambda: session.run(["serialize"])).startswith("UNIMPLEMENTED")


@pytest.mark.parametrize(
    ("kind", "attrs", "words"),
    [
        ("TextLineReader", {"skip_header_lines": -1}, "skip_header_lines must be >= 0 not -1"),
        ("FixedLengthRecordReader", {"record_bytes": 1, "hop_bytes": -1}, "hop_bytes must be >= 0 not -1"),
        ("FixedLengthRecordReader", {"record_bytes": 0}, "record_bytes must be >= 1 not 0"),
        ("FixedLengthRecordReader", {"record_bytes": 1, "header_bytes": -1}, "header_bytes must be >= 0"),
    ],
)
def test_bad_attributes(kind: str, attrs: dict[str, Any], words: str) -> None:
    session = Files(kind, **attrs).session()
    assert words in error_of(lambda: session.run(["produced"]))


def test_queues_of_anything_but_names() -> None:
    g = tfg.GraphBuilder()
    reader = g.IdentityReaderV2()
    numbers = g.FIFOQueueV2(component_types=["int32"])
    pairs = g.FIFOQueueV2(component_types=["string", "string"])
    for name, queue in (("numbers", numbers), ("pairs", pairs), ("reader", reader)):
        g.ReaderReadV2(reader, queue, name=name)
    session = tfg.Session(g.graph())
    assert "single string component" in error_of(lambda: session.run(["numbers:0"]))
    assert "single component queue" in error_of(lambda: session.run(["pairs:0"]))
    assert "must be of a queue" in error_of(lambda: session.run(["reader:0"]))


def _identity(g: Any, n: Any) -> list[Any]:
    """Reads of an identity reader, whose work needs no files, so that TensorFlow can do the same."""
    queue = g.FIFOQueueV2(component_types=["string"], shapes=[[]], shared_name="work")
    reader = g.IdentityReaderV2(shared_name="reader")
    work = g.constant(np.array([b"a", b"b", b"c"], object))
    return in_order(
        g,
        partial(g.QueueEnqueueManyV2, queue, [work]),
        partial(g.ReaderReadV2, reader, queue),
        partial(g.ReaderReadUpToV2, reader, queue, n),
        partial(g.ReaderNumRecordsProducedV2, reader),
        partial(g.ReaderNumWorkUnitsCompletedV2, reader),
        partial(g.ReaderSerializeStateV2, reader),
        partial(g.ReaderResetV2, reader),
        partial(g.ReaderSerializeStateV2, reader),
    )


def _restored(g: Any, state: Any) -> list[Any]:
    reader = g.IdentityReaderV2(shared_name="restored")
    return in_order(
        g, partial(g.ReaderRestoreStateV2, reader, state), partial(g.ReaderNumRecordsProducedV2, reader)
    )


def _lines_state(g: Any, n: Any) -> list[Any]:
    reader = g.TextLineReaderV2(shared_name="lines")
    return in_order(g, partial(g.ReaderSerializeStateV2, reader), lambda: g.Identity(n))


def _wrong_queue(g: Any, n: Any) -> list[Any]:
    queue = g.FIFOQueueV2(component_types=["int64"], shapes=[[]], shared_name="numbers")
    reader = g.IdentityReaderV2(shared_name="reader_of_numbers")
    return in_order(g, partial(g.QueueEnqueueV2, queue, [n]), partial(g.ReaderReadV2, reader, queue))


CASES = [
    graph_case("identity", _identity, i64(2)),
    graph_case("identity", _identity, i64(0)),
    graph_case("restored", _restored, np.array(b'\x08\x02\x10\x02\x18\x05"\x01x', object)),
    graph_case("restored", _restored, np.array(b"", object)),
    graph_case(
        "restored", _restored, np.array(b"\x08", object), error="INVALID_ARGUMENT: Could not parse state"
    ),
    graph_case("restored", _restored, np.array(b"\x08\x01", object), error="INVALID_ARGUMENT: Inconsistent"),
    graph_case("restored", _restored, np.array([b""], object), error="INVALID_ARGUMENT: scalar"),
    graph_case("lines-state", _lines_state, i64(2), error="UNIMPLEMENTED: Reader SerializeState"),
    graph_case("wrong-queue", _wrong_queue, i64(2), error="INVALID_ARGUMENT: single string component"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
