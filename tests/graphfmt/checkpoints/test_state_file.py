"""State files: what is written comes back, and the old file stays until the new one is safe."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.entries import Slice, StoredTensor, TensorEntry
from tfg.graphfmt.checkpoints.hdf5 import chunks, state_file
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState

from .states import STATE, refused, same, strings, variables


@pytest.fixture
def path(tmp_path: Path) -> Path:
    state_file.write(tmp_path / "s.h5", STATE)
    return tmp_path / "s.h5"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large begins at 64 bytes."""
    for name, size in {"LARGE": 64, "CHUNK": 64, "COMPRESSED_CHUNK": 64, "COMPRESSIBLE": 64}.items():
        monkeypatch.setattr(chunks, name, size)


def fails_to_write(path: Path, state: SavedState = STATE, **options: Any) -> tfg.TfgError:
    with pytest.raises(tfg.TfgError) as caught:
        state_file.write(path, state, **options)
    return caught.value


@pytest.mark.parametrize("compress", [False, True])
def test_what_is_written_comes_back(tmp_path: Path, compress: bool) -> None:
    state_file.write(tmp_path / "s.h5", STATE, compress=compress)
    assert same(state_file.read(tmp_path / "s.h5"), STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
    assert state_file.verify(tmp_path / "s.h5") == []


@pytest.mark.parametrize("compress", [False, True])
def test_equal_states_are_equal_files(tmp_path: Path, compress: bool) -> None:
    large = {("", "Variable", "large"): {"value": np.arange(3 << 20, dtype=np.float32)}}
    state = SavedState({**STATE.resources, **large}, STATE.notes)
    backwards = SavedState(dict(reversed(list(state.resources.items()))), STATE.notes)
    state_file.write(tmp_path / "a.h5", state, compress=compress)
    # HDF5 counts time in seconds, and would write it down.
    time.sleep(1.1)
    state_file.write(tmp_path / "b.h5", backwards, compress=compress)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1]])
def test_large_tensors_lie_in_chunks(tmp_path: Path, compress: bool, make: Callable[..., Any]) -> None:
    array = make(np.random.default_rng(0).standard_normal((1001, 2100)).astype(np.float64))
    state_file.write(tmp_path / "s.h5", variables(w=array), compress=compress)
    with state_file.open_state(tmp_path / "s.h5") as reader:
        (dataset,) = reader.datasets
        assert len(dataset.pieces) > 2
        np.testing.assert_array_equal(reader.read("w"), array)
        np.testing.assert_array_equal(reader.read("w", Slice((3, 1), (-1 + 500, 7))), array[3:502, 1:8])
        np.testing.assert_array_equal(reader.read("w", Slice((1000, 0), (1, -1))), array[1000:])


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), max_size=4),
    dtype=st.sampled_from([np.int8, np.float32, np.complex128, ml_dtypes.bfloat16, bool, object]),
    compress=st.booleans(),
    data=st.data(),
)
def test_any_part_of_any_tensor_comes_back(
    shape: list[int], dtype: Any, compress: bool, data: st.DataObject, tmp_path_factory: Any
) -> None:
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape) % 100
    array = np.array(numbers.astype(bytes), object) if dtype is object else numbers.astype(dtype)
    starts = [data.draw(st.integers(0, size)) for size in shape]
    lengths = [data.draw(st.integers(0 if start else -1, size - start)) for start, size in zip(starts, shape)]
    box = tuple(slice(s, s + n if n >= 0 else None) for s, n in zip(starts, lengths))
    path = tmp_path_factory.getbasetemp() / "part.h5"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LARGE", "CHUNK", "COMPRESSED_CHUNK", "COMPRESSIBLE"):
            patch.setattr(chunks, name, 64)
        state_file.write(path, variables(w=array), compress=compress)
    with state_file.open_state(path) as reader:
        part = reader.read("w", Slice(tuple(starts), tuple(lengths)))
    assert part.shape == array[(*box, ...)].shape
    assert part.tolist() == array[(*box, ...)].tolist()


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.sampled_from([1, 4, 8]), st.integers(6, 12))
def test_chunks_are_runs_of_elements_with_little_padding(shape: list[int], itemsize: int, log: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "LARGE", 1 << log)
        patch.setattr(chunks, "CHUNK", 1 << log)
        grid = chunks.chunk_grid(tuple(shape), itemsize)
    numbers = np.arange(np.prod(shape)).reshape(shape)
    assert (
        np.concatenate([numbers[box].reshape(-1) for box in grid.boxes()]).tolist()
        == numbers.reshape(-1).tolist()
    )
    assert len(list(grid.boxes())) == grid.pieces
    if grid.chunks:
        assert grid.is_runs
        assert np.prod(grid.chunks) * itemsize <= 1 << log
        assert grid.pieces * np.prod(grid.chunks) <= 1.5 * numbers.size


@pytest.mark.parametrize("kept", ["bfloat16", "half"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("small_chunks")
def test_floats_in_16_bits_come_back_in_their_own_type(tmp_path: Path, kept: str, dtype: Any) -> None:
    w = np.random.default_rng(0).standard_normal((30, 40)).astype(dtype)
    n = np.arange(3)
    state = SavedState({**variables(w=w, n=n).resources, ("", "Queue", "q"): {"0": w}})
    state_file.write(tmp_path / "s.h5", state, as_dtype=kept)
    back = state_file.read(tmp_path / "s.h5").resources
    found = back["", "Variable", "w"]["value"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, w.astype(dtypes.parse(kept).numpy).astype(dtype))
    assert back["", "Variable", "n"]["value"].tolist() == [0, 1, 2]
    # What is no variable is not a parameter, and kept as it is.
    np.testing.assert_array_equal(back["", "Queue", "q"]["0"], w)
    with state_file.open_state(tmp_path / "s.h5") as reader:
        np.testing.assert_array_equal(reader.read("w", Slice((5, 3), (2, 1))), found[5:7, 3:4])


def test_doubles_are_rounded_once(tmp_path: Path) -> None:
    # By way of float32 this would be a tie, and go to the even neighbour below.
    above_tie = 1 + 2.0**-8 + 2.0**-40
    special = [
        above_tie,
        -above_tie,
        1 + 2.0**-8,
        1 + 3 * 2.0**-8,
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        5e-324,
    ]
    state_file.write(tmp_path / "s.h5", variables(w=special), as_dtype="bfloat16")
    back = state_file.read(tmp_path / "s.h5").resources["", "Variable", "w"]["value"]
    expected = [1 + 2.0**-7, -1 - 2.0**-7, 1, 1 + 2.0**-6, 0.0, -0.0, np.inf, -np.inf, np.nan, 0.0]
    np.testing.assert_array_equal(back, expected)
    assert np.signbit(back[5])


@pytest.mark.parametrize(("value", "kept"), [(70000.0, "half"), (1e300, "bfloat16"), (3.4e38, "bfloat16")])
def test_a_number_too_large_for_16_bits_is_named(path: Path, value: float, kept: str) -> None:
    error = fails_to_write(path, variables(w=[1.0, value]), as_dtype=kept)
    assert error.status == "INVALID_ARGUMENT"
    assert str(value) in error.message and "'w'" in error.message
    assert same(state_file.read(path), STATE)


def test_only_16_bit_floats_are_known(path: Path) -> None:
    assert "int8" in fails_to_write(path, as_dtype="int8").message


def test_variables_are_the_entries(path: Path) -> None:
    with state_file.open_state(path) as reader:
        assert list(reader.entries) == sorted(reader.entries)
        assert reader.entries["hidden/w"] == TensorEntry(dtypes.int64, ())
        assert reader.entries["box:w"] == TensorEntry(dtypes.bfloat16, (2,))
        assert "q" not in reader.entries
        assert reader.read("hidden/w").tolist() == 3
        assert reader.notes["step"] == 7
        with pytest.raises(tfg.TfgError) as caught:
            reader.read("nothing")
        assert caught.value.status == "NOT_FOUND"
        for part in (Slice((0,), (1,)), Slice((1, 0), (2, 3)), Slice((0, -1), (1, 1))):
            with pytest.raises(tfg.TfgError) as caught:
                reader.read("w", part)
            assert caught.value.status == "INVALID_ARGUMENT"


WHOLE = np.arange(24, dtype=np.float32).reshape(4, 6)
UPPER, LOWER = Slice((0, 0), (2, -1)), Slice((2, 0), (2, 6))


def test_slices_that_make_up_a_whole_are_the_whole(tmp_path: Path) -> None:
    texts = WHOLE.astype(bytes).astype(object)
    tensors = [
        StoredTensor("w", WHOLE[2:], LOWER, (4, 6)),
        StoredTensor("texts", texts[:2], UPPER, (4, 6)),
        StoredTensor("w", WHOLE[:2], UPPER, (4, 6)),
        StoredTensor("n", np.array(5)),
        StoredTensor("texts", texts[2:], LOWER, (4, 6)),
    ]
    state_file.write_tensors(tmp_path / "t.h5", tensors)
    with state_file.open_state(tmp_path / "t.h5") as reader:
        assert reader.entries["w"] == TensorEntry(dtypes.float32, (4, 6))
        np.testing.assert_array_equal(reader.read("w"), WHOLE)
        np.testing.assert_array_equal(reader.read("texts"), texts)
    assert set(state_file.read(tmp_path / "t.h5").resources) == {
        ("", "Variable", n) for n in ("n", "w", "texts")
    }


def test_a_tensor_may_say_its_dtype(tmp_path: Path) -> None:
    state_file.write_tensors(
        tmp_path / "t.h5", [StoredTensor("q", np.zeros(2, np.int8), dtype=dtypes.parse("qint8"))]
    )
    with state_file.open_state(tmp_path / "t.h5") as reader:
        assert reader.entries["q"].dtype.name == "qint8"


def test_slices_that_do_not_are_kept_one_by_one(tmp_path: Path) -> None:
    columns = Slice((2, 4), (2, 2))
    tensors = [StoredTensor("w", WHOLE[:2], UPPER, (4, 6)), StoredTensor("w", WHOLE[2:, 4:], columns, (4, 6))]
    state_file.write_tensors(tmp_path / "t.h5", tensors)
    with state_file.open_state(tmp_path / "t.h5") as reader:
        assert reader.entries["w"] == TensorEntry(dtypes.float32, (4, 6), (UPPER, columns))
        np.testing.assert_array_equal(reader.read("w", UPPER), WHOLE[:2])
        np.testing.assert_array_equal(reader.read("w", Slice((1, 4), (3, 1))), WHOLE[1:, 4:5])
        with pytest.raises(tfg.TfgError) as caught:
            reader.read("w")
        assert caught.value.status == "INVALID_ARGUMENT"
    assert "only slices" in refused(tmp_path / "t.h5", "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    "tensors",
    [
        [StoredTensor("w", WHOLE), StoredTensor("w", WHOLE)],
        [StoredTensor("w", WHOLE[:2], UPPER, (4, 6)), StoredTensor("w", WHOLE[:2], UPPER, (4, 6))],
        [StoredTensor("w", WHOLE[:2], UPPER, (4, 6)), StoredTensor("w", WHOLE)],
        [
            StoredTensor("w", WHOLE[:2], UPPER, (4, 6)),
            StoredTensor("w", WHOLE[2:].astype(int), LOWER, (4, 6)),
        ],
        [StoredTensor("w", WHOLE[:1], UPPER, (4, 6))],
        [StoredTensor("w", WHOLE[:2], UPPER, (1, 6))],
        [StoredTensor("w", np.array([object()]))],
    ],
)
def test_tensors_that_do_not_belong_together(path: Path, tensors: list[StoredTensor]) -> None:
    with pytest.raises(tfg.TfgError) as caught:
        state_file.write_tensors(path, tensors)
    assert caught.value.status in ("INVALID_ARGUMENT", "INTERNAL")
    assert "'w'" in caught.value.message
    assert same(state_file.read(path), STATE)


def test_a_compressed_file_is_small_and_never_looks_like_a_bomb(tmp_path: Path) -> None:
    state_file.write(tmp_path / "s.h5", variables(w=np.zeros(100 << 20, np.uint8)), compress=True)
    assert 0.5e6 < (tmp_path / "s.h5").stat().st_size < 2e6
    assert not state_file.read(tmp_path / "s.h5").resources["", "Variable", "w"]["value"].any()


def test_a_disk_that_is_full_leaves_the_old_state(path: Path) -> None:
    """A limit on the size of files does as a full disk does: whatever is to be written, data or structure, fails
    at that point."""
    need = path.stat().st_size
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for size in (0, 1, 100, 1500, 4096, need // 2, need - 4000, need - 500, need - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
            error = fails_to_write(path)
            assert (error.status, str(path) in error.message) == ("RESOURCE_EXHAUSTED", True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert same(state_file.read(path), STATE)
    assert [p.name for p in path.parent.iterdir()] == ["s.h5"]


@pytest.mark.parametrize("compress", [False, True])
def test_any_write_that_fails_leaves_the_old_state(
    path: Path, compress: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SavedState({**STATE.resources, **variables(w=np.arange(1 << 16)).resources})
    calls, pwrite = count(), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *args: (next(calls), pwrite(*args))[1])
    state_file.write(path, state, compress=compress)
    total = next(calls)
    state_file.write(path, STATE)
    for bad in [*range(0, total, 5), total - 1]:
        numbers = count()

        def fails(*args: Any, bad: int = bad, numbers: Any = numbers) -> int:
            if next(numbers) == bad:
                raise OSError(28, "No space left on device")
            return pwrite(*args)

        monkeypatch.setattr(os, "pwrite", fails)
        assert fails_to_write(path, state, compress=compress).status == "RESOURCE_EXHAUSTED"
        monkeypatch.undo()
        assert same(state_file.read(path), STATE)
        assert [p.name for p in path.parent.iterdir()] == ["s.h5"]


def test_a_flush_that_fails_leaves_the_old_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    assert fails_to_write(path, SavedState()).status == "FAILED_PRECONDITION"
    assert same(state_file.read(path), STATE)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert fails_to_write(tmp_path / "none" / "s.h5").status == "NOT_FOUND"


def test_a_state_that_does_not_verify_never_replaces_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()
    monkeypatch.setattr(chunks, "checksum", lambda *data: next(numbers))
    assert fails_to_write(path, variables(w=np.ones(3))).status == "DATA_LOSS"
    monkeypatch.undo()
    assert same(state_file.read(path), STATE)


def test_a_file_that_another_process_writes_is_left_alone(path: Path) -> None:
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        error = fails_to_write(path)
        assert (error.status, str(path) in error.message) == ("UNAVAILABLE", True)
        with pytest.raises(tfg.TfgError):
            state_file.check_replaceable(path)
        # Readers hold it as well, and are not disturbed by a file that takes its place.
        fcntl.flock(file, fcntl.LOCK_SH)
        state_file.write(path, SavedState())
    assert same(state_file.read(path), SavedState())


def test_what_killed_writers_left_is_swept(path: Path) -> None:
    stale = path.with_name(".s.h5.0123456789ab.tmp")
    others = [path.with_name(name) for name in (".s.h5.tmp", ".t.h5.0123456789ab.tmp", ".s.h5.0123.tmp")]
    for file in (stale, *others):
        file.touch()
    state_file.write(path, STATE)
    assert sorted(path.parent.iterdir()) == sorted([path, *others])


def test_what_another_writer_holds_is_left_alone(path: Path) -> None:
    held = path.with_name(".s.h5.0123456789ab.tmp")
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state_file.write(path, STATE)
        assert held.exists()
    state_file.write(path, STATE)
    assert not held.exists()


def test_a_new_file_may_be_swept_by_another_writer_before_it_is_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []
    lock = fcntl.flock

    def flock(file: Any, how: int) -> None:
        if how == fcntl.LOCK_EX and not swept:
            swept.extend(path.parent.glob(".s.h5.*.tmp"))
            swept[0].unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    state_file.write(path, SavedState({}, {"step": 1}))
    assert len(swept) == 1
    assert state_file.read(path).notes == {"step": 1}


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("link.h5")
    link.symlink_to(path)
    state_file.write(link, SavedState({}, {"step": 1}))
    assert link.is_symlink()
    assert state_file.read(path).notes == {"step": 1}


def test_strings_of_any_kind(tmp_path: Path) -> None:
    texts = [
        strings(),
        strings(b""),
        strings(b"\0"),
        strings(b"x" * 100_000, *[b""] * 100),
        strings("é".encode() * 3),
    ]
    state = SavedState({("", "Table", str(i)): {"keys": t} for i, t in enumerate(texts)})
    state_file.write(tmp_path / "s.h5", state)
    assert same(state_file.read(tmp_path / "s.h5"), state)


def test_python_can_end_while_a_thread_writes(tmp_path: Path) -> None:
    program = """if True:
        import sys, threading, time, numpy as np
        from pathlib import Path
        from tfg.graphfmt.checkpoints.hdf5 import state_file
        arrays = {("", "Variable", f"v{i}"): {"value": np.ones(3)} for i in range(500)}
        state = state_file.SavedState(arrays)
        threading.Thread(target=state_file.write, args=(Path(sys.argv[1]), state), daemon=True).start()
        while not list(Path(sys.argv[1]).parent.iterdir()):
            time.sleep(0.001)
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "s.h5")], timeout=60, check=True)
    state_file.write(tmp_path / "s.h5", STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["s.h5"]
