"""Bundles: read, written, merged, damaged, and interrupted."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.bundle.index import HEADER_KEY, VERSION, read_index, slice_message
from tfg.graphfmt.checkpoints.bundle.merge import merge_bundles
from tfg.graphfmt.checkpoints.bundle.reader import BundleReader
from tfg.graphfmt.checkpoints.bundle.writer import write_bundle
from tfg.graphfmt.checkpoints.entries import Slice, StoredTensor, TensorEntry
from tfg.graphfmt.checkpoints.table.sstable import table_bytes
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.proto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from tfg.graphfmt.tensors import Array

DATA = Path(__file__).parent.parent / "data"
NUMBERS = [t for t in dtypes.DTYPES if not t.is_ref and not t.is_opaque]

_checked = settings(
    derandomize=True, deadline=None, max_examples=50, database=None, suppress_health_check=list(HealthCheck)
)


def contents(prefix: Path) -> dict[str, Any]:
    with BundleReader(str(prefix)) as reader:
        return {name: reader.read(name).tolist() for name in reader.entries}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def random_array(random: Random, shape: tuple[int, ...], dtype: dtypes.DType) -> Array:
    count = int(np.prod(shape))
    if dtype is dtypes.string:
        array = np.empty(count, object)
        array[:] = [random.randbytes(random.choice((0, 1, 5, 127, 128, 300))) for _ in range(count)]
        return array.reshape(shape)
    if dtype is dtypes.bool_:
        return np.array([random.random() < 0.5 for _ in range(count)], bool).reshape(shape)
    return np.frombuffer(random.randbytes(count * dtype.size), dtype.numpy).reshape(shape)


def same(a: Array, b: Array) -> bool:
    """Returns True for arrays with the same bits."""
    return (a.dtype, a.shape) == (b.dtype, b.shape) and (
        a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
    )


def test_what_tensorflow_wrote() -> None:
    with BundleReader(str(DATA / "bundle")) as reader:
        assert reader.entries == {
            "i": TensorEntry(dtypes.int32, (2, 3)),
            "part": TensorEntry(dtypes.float32, (4, 3), (Slice((0, 0), (3, -1)), Slice((3, 0), (1, -1)))),
            "s": TensorEntry(dtypes.string, (3,)),
        }
        assert reader.read("i").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert reader.read("s").tolist() == [b"a", b"", b"b" * 200]
        assert reader.read("part", Slice((2, 1), (2, 2))).tolist() == [[1.75, 2.0], [2.5, 2.75]]
        assert reader.read("i", Slice((1, 0), (1, 2))).tolist() == [[3, 4]]


def test_what_is_asked_for_and_is_not_there() -> None:
    with BundleReader(str(DATA / "bundle")) as reader:
        with pytest.raises(TfgError, match="there is no tensor 'parts'") as caught:
            reader.read("parts")
        assert (caught.value.status, caught.value.hint) == (Status.NOT_FOUND, "did you mean 'part'?")
        with pytest.raises(TfgError, match="Extent in dimension 0 out of bounds") as caught:
            reader.read("i", Slice((1, 0), (2, -1)))
        assert caught.value.status is Status.INVALID_ARGUMENT


@given(st.integers(0, 2**32).map(Random))
@_checked
def test_what_is_written_comes_back(tmp_path: Path, random: Random) -> None:
    tensors: list[StoredTensor] = []
    for place in range(random.randrange(12)):
        dtype = random.choice([*NUMBERS, dtypes.string])
        shape = tuple(random.choice((0, 1, 2, 7)) for _ in range(random.randrange(4)))
        array = random_array(random, shape, dtype)
        if array.ndim and random.random() < 0.3:
            array = array[::-1]
        tensors.append(StoredTensor(f"{random.choice('ab')}/{place}", array, dtype=dtype))
    write_bundle(str(tmp_path / "c"), iter(tensors))
    with BundleReader(str(tmp_path / "c")) as reader:
        assert list(reader.entries) == sorted(tensor.name for tensor in tensors)
        for tensor in tensors:
            assert reader.entries[tensor.name] == TensorEntry(
                tensor.dtype or dtypes.float32, tensor.array.shape
            )
            assert same(reader.read(tensor.name), np.asarray(tensor.array, tensor.dtype.numpy))


def test_a_large_tensor_is_read_in_shares(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 255, (3, 12_000_001), np.uint8)
    write_bundle(str(tmp_path / "c"), [StoredTensor("x", array)])
    with BundleReader(str(tmp_path / "c")) as reader:
        assert np.array_equal(reader.read("x"), array)
    path = tmp_path / "c.data-00000-of-00001"
    with path.open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"\0\0\0\0")
    with BundleReader(str(tmp_path / "c")) as reader, pytest.raises(TfgError, match="'x' does not match its"):
        reader.read("x")


def test_slices_are_kept_and_put_together(tmp_path: Path) -> None:
    whole = np.arange(12.0).reshape(3, 4)
    cuts = [Slice((0, 0), (2, -1)), Slice((2, 0), (1, 3)), Slice((2, 3), (1, 1))]
    arrays = [whole[:2], whole[2:, :3], whole[2:, 3:]]
    tensors = [StoredTensor("w", array, cut, (3, 4)) for cut, array in zip(cuts, arrays)]
    full = StoredTensor("full", whole, Slice((0, 0), (3, -1)), (3, 4))
    write_bundle(str(tmp_path / "c"), [*tensors[::-1], full])
    with BundleReader(str(tmp_path / "c")) as reader:
        assert reader.entries["w"].slices == tuple(cuts[::-1])
        assert not reader.entries["full"].slices
        assert reader.read("w").tolist() == whole.tolist()
        assert reader.read("w", Slice((1, 2), (2, 2))).tolist() == whole[1:, 2:].tolist()
    write_bundle(str(tmp_path / "c"), tensors[:2])
    with BundleReader(str(tmp_path / "c")) as reader:
        assert reader.read("w", Slice((1, 0), (2, 3))).tolist() == whole[1:, :3].tolist()
        with pytest.raises(TfgError, match="'w': the stored slices do not cover 0,3:0,4"):
            reader.read("w")


def test_a_writing_machine_may_have_kept_its_numbers_the_other_way_round(tmp_path: Path) -> None:
    write_bundle(
        str(tmp_path / "n"),
        [
            StoredTensor("i", np.array([1, 2**20], ">i4").view("<i4")),
            StoredTensor("c", np.array([1 + 2j], ">c16").view("<c16")),
            StoredTensor("b", np.array([True])),
        ],
    )
    write_index(
        tmp_path / "n", read_index(str(tmp_path / "n")).entries.items(), endianness=BundleHeaderProto.BIG
    )
    assert contents(tmp_path / "n") == {"b": [True], "c": [1 + 2j], "i": [1, 2**20]}


# Refusing what cannot be written


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            [StoredTensor("a", np.zeros(2)), StoredTensor("a", np.zeros(2))],
            "'a': there are two tensors of this name",
        ),
        ([StoredTensor("", np.zeros(2))], "a tensor must have a name"),
        ([StoredTensor("a", np.array([b"x", None], object))], "cannot hold NoneType objects"),
        ([StoredTensor("a", np.zeros(2), dtype=dtypes.variant)], "cannot hold variant"),
        (
            [StoredTensor("a", np.zeros(2), Slice((0,), (3,)), (4,))],
            r"'a': an array of shape \[2\] does not match that part",
        ),
        ([StoredTensor("a", np.zeros(2), Slice((3,), (2,)), (4,))], "Extent in dimension 0 out of bounds"),
        (
            [StoredTensor("a", np.zeros(2)), StoredTensor("a", np.zeros(2), Slice((0,), (2,)), (4,))],
            "'a': it is given whole and in slices",
        ),
        (
            [StoredTensor("a", np.zeros(2), Slice((i,), (2,)), (4 + i,)) for i in (0, 2)],
            "'a': its slices differ in dtype or shape",
        ),
    ],
)
def test_what_no_bundle_can_hold(tmp_path: Path, tensors: list[StoredTensor], message: str) -> None:
    write_bundle(str(tmp_path / "c"), [StoredTensor("old", np.ones(3))])
    before = files(tmp_path)
    with pytest.raises(TfgError, match=message) as caught:
        write_bundle(str(tmp_path / "c"), tensors)
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert (files(tmp_path), contents(tmp_path / "c")) == (before, {"old": [1.0, 1.0, 1.0]})


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    for prefix, status in (
        (tmp_path / "a" / "b" / "c", Status.NOT_FOUND),
        (tmp_path / "taken", Status.FAILED_PRECONDITION),
        (tmp_path / "file" / "c", Status.FAILED_PRECONDITION),
    ):
        (tmp_path / "taken.index").mkdir(exist_ok=True)
        (tmp_path / "file").write_text("")
        with pytest.raises(TfgError) as caught:
            write_bundle(str(prefix), [StoredTensor("a", np.zeros(2))])
        assert caught.value.status is status
    with pytest.raises(TfgError, match="is a folder, not the prefix"):
        write_bundle(f"{tmp_path}/", [])
    assert files(tmp_path) == ["file", "taken.index"]


def test_a_full_disk_leaves_the_old_bundle_and_nothing_else(tmp_path: Path) -> None:
    write_bundle(str(tmp_path / "c"), [StoredTensor("old", np.ones(3))])
    before = files(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(TfgError) as caught:
            write_bundle(str(tmp_path / "c"), [StoredTensor("new", np.ones(100_000))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert (files(tmp_path), contents(tmp_path / "c")) == (before, {"old": [1.0, 1.0, 1.0]})


def test_who_has_opened_a_bundle_reads_it_whatever_takes_its_place(tmp_path: Path) -> None:
    path = str(tmp_path / "c")
    write_bundle(path, [StoredTensor("a", np.ones(3))])
    with BundleReader(path) as reader:
        write_bundle(path, [StoredTensor("a", np.zeros(2))])
        assert reader.read("a").tolist() == [1, 1, 1]


def test_a_bundle_that_is_replaced_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "c")
    write_bundle(path, [StoredTensor("a", np.ones(3))])
    others = [np.zeros(2), np.full(1, 7.0)]

    def index(prefix: str) -> Any:
        found = read_index(prefix)
        if others:
            write_bundle(prefix, [StoredTensor("a", others.pop(0))])
        return found

    monkeypatch.setattr("tfg.graphfmt.checkpoints.bundle.reader.read_index", index)
    assert contents(tmp_path / "c") == {"a": [7]}


def test_a_folder_that_stays_locked_is_no_reason_to_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("tfg.graphfmt.checkpoints.bundle.writer._LOCK_TIMEOUT", 0.05)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(TfgError, match="another process has locked") as caught:
        write_bundle(str(tmp_path / "c"), [])
    os.close(holder)
    assert caught.value.status is Status.UNAVAILABLE
    assert not files(tmp_path)


# Being killed


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Does some work in a process that is killed at its nth system call on files; whether it was."""
    child = os.fork()
    if not child:
        left = step

        def count(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(("open", "os.")):
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(count)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_writer_killed_anywhere_leaves_the_old_bundle_or_the_new(tmp_path: Path) -> None:
    def write(value: float) -> Callable[[], object]:
        return lambda: write_bundle(str(tmp_path / "c"), [StoredTensor("x", np.full(4, value))])

    step = 0
    write(0)()
    while killed_at(step, write(step + 1)):
        assert contents(tmp_path / "c") in ({"x": [0.0] * 4}, {"x": [step + 1.0] * 4}), step
        write(0)()
        assert len(files(tmp_path)) == 2, files(tmp_path)
        step += 1
    assert step > 10


def test_a_merge_killed_anywhere_leaves_the_parts_or_the_whole(tmp_path: Path) -> None:
    prefixes = [str(tmp_path / "parts" / f"{i}") for i in range(2)]
    step, killed = 0, True
    while killed:
        shutil.rmtree(tmp_path, ignore_errors=True)
        tmp_path.mkdir()
        for i, prefix in enumerate(prefixes):
            write_bundle(prefix, [StoredTensor(f"x{i}", np.full(4, i))])
        killed = killed_at(step, lambda: merge_bundles(prefixes, str(tmp_path / "c"), delete_old_dirs=True))
        if (tmp_path / "c.index").exists():
            assert contents(tmp_path / "c") == {"x0": [0] * 4, "x1": [1] * 4}
        else:
            assert [contents(Path(prefix)) for prefix in prefixes] == [{"x0": [0] * 4}, {"x1": [1] * 4}]
        step += 1
    assert files(tmp_path) == ["c.data-00000-of-00002", "c.data-00001-of-00002", "c.index"]


def test_what_writers_left_that_were_killed_is_removed(tmp_path: Path) -> None:
    for name in ("c.data-00000-of-00001", "c.data-00003-of-00007", ".c.data.0123456789ab.tmp"):
        (tmp_path / name).write_text("left")
    (tmp_path / "c.data-00000-of-00001-mine").write_text("another's")
    write_bundle(str(tmp_path / "c"), [StoredTensor("x", np.ones(2))])
    assert files(tmp_path) == ["c.data-00000-of-00001-mine", "c.data-00000-of-00002", "c.index"]


# Merging


def test_merging_makes_one_of_parts(tmp_path: Path) -> None:
    whole = np.arange(6)
    for part, cut in (("p0", Slice((0,), (2,))), ("p1", Slice((2,), (4,)))):
        rows = whole[cut.starts[0] : cut.starts[0] + cut.lengths[0]]
        tensors = [StoredTensor("w", rows, cut, (6,)), StoredTensor(part, np.ones(1))]
        write_bundle(str(tmp_path / "tmp" / part), tensors)
    write_bundle(str(tmp_path / "c"), [StoredTensor("old", np.ones(3))])
    prefixes = [str(tmp_path / "tmp" / part) for part in ("p0", "p1", "p2")]
    with pytest.raises(TfgError, match=r"allow_missing_files was set to false and .*p2 did not exist"):
        merge_bundles(prefixes, str(tmp_path / "c"))
    merge_bundles(prefixes, str(tmp_path / "c"), delete_old_dirs=True, allow_missing_files=True)
    assert files(tmp_path) == ["c.data-00000-of-00002", "c.data-00001-of-00002", "c.index"]
    assert contents(tmp_path / "c") == {"p0": [1.0], "p1": [1.0], "w": [0, 1, 2, 3, 4, 5]}


def test_a_bundle_may_be_merged_into_its_own_name(tmp_path: Path) -> None:
    write_bundle(str(tmp_path / "c"), [StoredTensor("a", np.ones(1))])
    write_bundle(str(tmp_path / "d"), [StoredTensor("b", np.ones(1))])
    merge_bundles([str(tmp_path / "c"), str(tmp_path / "d")], str(tmp_path / "c"), delete_old_dirs=True)
    assert contents(tmp_path / "c") == {"a": [1.0], "b": [1.0]}
    assert len(files(tmp_path)) == 3


def test_a_merge_removes_no_file_that_it_has_not_merged(tmp_path: Path) -> None:
    others = ["c.data-00000-of-00001", "c.data-00003-of-00007", "p.data-00004-of-00005", "p.index.old"]
    for name in others:
        (tmp_path / name).write_text("another's")
    for prefix in ("c0", "c1"):
        write_bundle(str(tmp_path / prefix), [StoredTensor(prefix, np.ones(1))])
    merge_bundles([str(tmp_path / "c0"), str(tmp_path / "c1")], str(tmp_path / "c"), delete_old_dirs=True)
    assert contents(tmp_path / "c") == {"c0": [1.0], "c1": [1.0]}
    assert set(files(tmp_path)) >= set(others) and len(files(tmp_path)) == len(others) + 3


def test_parts_that_do_not_fit_are_left_alone(tmp_path: Path) -> None:
    a, b, c = (str(tmp_path / name) for name in "abc")
    write_bundle(a, [StoredTensor("x", np.ones(2))])
    write_bundle(b, [StoredTensor("x", np.ones(2), Slice((0,), (2,)), (4,))])
    write_bundle(c, [StoredTensor("x", np.ones(2), Slice((2,), (2,)), (5,))])
    before = files(tmp_path)
    for parts, message in (
        ([a, a], "Duplicate tensor keyed by x encountered, when merging prefix"),
        ([b, a], "attempting to merge in a non-slice bundle entry"),
        ([b, c], "not of one dtype and one shape"),
        ([], "At least one prefix checkpoint file must exist"),
    ):
        with pytest.raises(TfgError, match=message):
            merge_bundles(parts, str(tmp_path / "m"))
    assert files(tmp_path) == before


# Damage


def write_index(prefix: Path, entries: Iterable[tuple[bytes, BundleEntryProto]], **header: Any) -> None:
    first = BundleHeaderProto(num_shards=1, **header)
    items = [(HEADER_KEY, first.SerializeToString())]
    items += [(key, entry.SerializeToString()) for key, entry in entries]
    Path(f"{prefix}.index").write_bytes(b"".join(table_bytes(items)))


def an_entry(*shape: int, dtype: int = 1, **fields: Any) -> BundleEntryProto:
    entry = BundleEntryProto(dtype=dtype, **fields)  # pyright: ignore[reportArgumentType]
    for size in shape:
        entry.shape.dim.add(size=size)
    return entry


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (an_entry(2**40, size=2**42), "needs 4398046511104 bytes at offset 0, but the file has 16"),
        (an_entry(2**40, size=16), r"is of float and shape \[1099511627776\], but has 16 bytes"),
        (an_entry(2**40, dtype=7, size=16), "has 16 bytes"),
        (an_entry(2**40, 2**40), "too many elements"),
        (an_entry(-1), "cannot be of shape"),
        (an_entry(4, size=16, offset=-16), "needs 16 bytes at offset -16"),
        (an_entry(4, size=16, offset=4), "needs 16 bytes at offset 4"),
        (an_entry(4, size=16), "'x' does not match its checksum"),
        (an_entry(4, size=16, shard_id=5), "there is no such file"),
        (an_entry(4, dtype=101, size=16), "cannot be of dtype"),
        (an_entry(4, dtype=77, size=16), "77 is not a DataType"),
        (an_entry(1, dtype=21, size=16), "only TensorFlow can read"),
        (an_entry(4, slices=[slice_message(Slice((0,), (4,)))]), "a slice of 'x' is missing"),
        (an_entry(4, slices=[slice_message(Slice((0,), (5,)))]), "out of bounds"),
        (an_entry(4, slices=[slice_message(Slice((0,), (2,)))]), "do not cover"),
    ],
)
def test_an_index_that_lies_claims_no_memory(tmp_path: Path, entry: BundleEntryProto, message: str) -> None:
    write_index(tmp_path / "c", [(b"x", entry)])
    (tmp_path / "c.data-00000-of-00001").write_bytes(bytes(16))
    with pytest.raises(TfgError, match=message), BundleReader(str(tmp_path / "c")) as reader:
        reader.read("x")


def test_an_index_of_another_kind_is_refused(tmp_path: Path) -> None:
    later = BundleHeaderProto().version
    later.min_consumer = VERSION + 1
    write_index(tmp_path / "later", [], version=later)
    (tmp_path / "none.index").write_bytes(b"".join(table_bytes([(b"a", b"")])))
    (tmp_path / "text.index").write_text("no table " * 20)
    (tmp_path / "empty.index").write_text("")
    for name, status in (
        ("later", Status.FAILED_PRECONDITION),
        ("none", Status.DATA_LOSS),
        ("text", Status.DATA_LOSS),
        ("empty", Status.DATA_LOSS),
        ("missing", Status.NOT_FOUND),
    ):
        with pytest.raises(TfgError) as caught:
            BundleReader(str(tmp_path / name))
        assert caught.value.status is status, name


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Path]:
    for path in DATA.glob("bundle.*"):
        shutil.copy(path, tmp_path)
    yield tmp_path / "bundle"


@given(st.integers(0, 2**32).map(Random))
@_checked
def test_damage_is_refused_or_harmless(copied: Path, random: Random) -> None:
    whole = contents(DATA / "bundle")
    for path in DATA.glob("bundle.*"):
        data = bytearray(path.read_bytes())
        if random.random() < 0.7:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        if random.random() < 0.2:
            del data[random.randrange(len(data)) :]
        (copied.parent / path.name).write_bytes(data)
    try:
        assert contents(copied) == whole
    except TfgError as error:
        assert error.status is Status.DATA_LOSS


@given(st.integers(0, 2**32).map(Random))
@_checked
def test_messages_of_anything_are_refused_or_read(copied: Path, random: Random) -> None:
    """An index whose checksums are right, but whose messages are not."""
    numbers = (0, 1, 3, 4, 7, 12, 16, -1, 2**31, 2**40, 2**62)
    entry = an_entry(*random.choices(numbers[:8], k=random.randrange(3)), dtype=random.randrange(24))
    entry.offset, entry.size = random.choice(numbers), random.choice(numbers)
    entry.shard_id = random.randrange(-1, 3)
    for _ in range(random.randrange(3)):
        entry.slices.add().extent.add(start=random.choice(numbers), length=random.choice(numbers))
    write_index(copied, [(b"x", entry)])
    try:
        contents(copied)
    except TfgError as error:
        assert error.status in {
            *(Status.DATA_LOSS, Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.UNIMPLEMENTED),
            Status.INTERNAL,
        }


def test_a_data_file_that_is_a_pipe_is_not_waited_for(copied: Path) -> None:
    path = Path(f"{copied}.data-00000-of-00001")
    path.unlink()
    os.mkfifo(path)
    with BundleReader(str(copied)) as reader, pytest.raises(TfgError, match="not a regular file"):
        reader.read("i")
