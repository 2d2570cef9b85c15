"""State files: what is written comes back, and what was damaged or forged is refused."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints import statefile
from tfg.graphfmt.checkpoints.statefile import State


def strings(*texts: bytes) -> Any:
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


STATE = State(
    {
        ("", "Variable", "w"): {"value": np.arange(6, dtype=np.float32).reshape(2, 3)},
        ("", "Variable", "hidden/w"): {"value": np.array(3, np.int64)},
        ("", "Variable", "hidden"): {"value": np.zeros((0, 4), bool)},
        ("box", "Variable", "w"): {"value": np.array([1.5, -2], ml_dtypes.bfloat16)},
        ("box/..", "Variable", "../."): {"value": np.array([1 + 2j], np.complex64)},
        ("", "Queue", "q"): {"0": strings(b"", b"a\x00\xff", "é".encode()), "1": np.zeros(3, np.float16)},
        ("", "Table", "none"): {},
        ("", "Table", "texts"): {"keys": np.array(b"one", object), "two": strings().reshape(0, 2)},
        ("", "Table", "small"): {"f8": np.array([1, 2], ml_dtypes.float8_e5m2)},
    },
    {"step": 7, "feeds": {"epoch": 1}},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    statefile.write(tmp_path / "s.h5", STATE)
    return tmp_path / "s.h5"


def same(a: State, b: State) -> bool:
    assert a.notes == b.notes
    assert set(a.resources) == set(b.resources)
    for key, arrays in a.resources.items():
        assert set(arrays) == set(b.resources[key])
        for name, array in arrays.items():
            other = b.resources[key][name]
            assert (array.dtype, array.shape) == (other.dtype, other.shape)
            assert array.tolist() == other.tolist()
    return True


def refused(path: Path, status: str = "DATA_LOSS") -> str:
    with pytest.raises(tfg.TfgError) as caught:
        statefile.read(path)
    assert caught.value.status == status, caught.value
    assert str(path) in caught.value.message
    return caught.value.message


def test_what_is_written_comes_back(path: Path) -> None:
    assert same(statefile.read(path), STATE)
    assert [p.name for p in path.parent.iterdir()] == ["s.h5"]


def test_equal_states_are_equal_files(path: Path) -> None:
    backwards = State(dict(reversed(list(STATE.resources.items()))), STATE.notes)
    # HDF5 counts time in seconds, and would write it down.
    time.sleep(1.1)
    statefile.write(path.with_name("t.h5"), backwards)
    assert path.read_bytes() == path.with_name("t.h5").read_bytes()


def test_no_flipped_bit_goes_by(path: Path, tmp_path: Path) -> None:
    data, chance = path.read_bytes(), random.Random(0)
    damaged = tmp_path / "damaged.h5"
    found = 0
    for _ in range(150):
        place = chance.randrange(len(data))
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        damaged.write_bytes(flipped)
        try:
            assert same(statefile.read(damaged), STATE)
        except tfg.TfgError as error:
            assert error.status in ("DATA_LOSS", "INVALID_ARGUMENT")
            found += 1
    assert found > 30


def test_no_shortened_file_goes_by(path: Path, tmp_path: Path) -> None:
    data, chance = path.read_bytes(), random.Random(0)
    short = tmp_path / "short.h5"
    for size in [0, 1, 8, 100, len(data) - 1, *(chance.randrange(len(data)) for _ in range(30))]:
        short.write_bytes(data[:size])
        refused(short)


def test_files_of_another_kind(tmp_path: Path) -> None:
    refused(tmp_path / "none.h5", "NOT_FOUND")
    (tmp_path / "text.h5").write_text("hello")
    refused(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = 1
    assert "not a state of tfg's" in refused(tmp_path / "other.h5", "INVALID_ARGUMENT")


Edit = Callable[[Any], None]


def edited(path: Path, edit: Edit) -> Path:
    copy = path.with_name("edited.h5")
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        edit(file)
    return copy


W = "Variable/w:value"


def replaced(link: Any) -> Edit:
    def edit(file: Any) -> None:
        del file[W]
        file[W] = link

    return edit


def dataset(*args: Any, **options: Any) -> Edit:
    def edit(file: Any) -> None:
        del file[W]
        file.create_dataset(W, *args, **options)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        replaced(h5py.SoftLink("/Queue/q:1")),
        replaced(h5py.SoftLink(f"/{W}")),
        replaced(h5py.ExternalLink("/etc/passwd", "/x")),
        replaced(np.zeros((2, 3), np.float32)),
        replaced(np.arange(6, dtype=np.float32)),
        replaced(h5py.Empty("f")),
        dataset((1 << 40,), "f4"),
        dataset((1 << 40,), "f4", chunks=(1 << 20,)),
        dataset((1 << 28,), "f4", chunks=(1 << 20,), compression="gzip"),
        dataset((2, 3), "f4", external=[("/etc/passwd", 0, 24)]),
    ],
)
def test_links_and_claims_are_refused(path: Path, edit: Edit) -> None:
    refused(edited(path, edit))


def test_a_folder_that_links_to_itself(path: Path) -> None:
    def edit(file: Any) -> None:
        del file["Variable"]
        file["Variable"] = h5py.SoftLink("/Variable")

    refused(edited(path, edit))


@pytest.mark.parametrize("value", [2, "x", [1, 2]])
def test_another_format(path: Path, value: Any) -> None:
    def edit(file: Any) -> None:
        file.attrs["tfg_format"] = value

    refused(edited(path, edit), "INVALID_ARGUMENT")


def forged(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A file whose commit record is another one, and verifies."""

    def edit(file: Any) -> None:
        record = json.loads(file["commit"][()].tobytes())
        made = change(record)
        text = made if isinstance(made, bytes) else json.dumps(record).encode()
        del file["commit"]
        file["commit"] = np.frombuffer(text, np.uint8)
        file.attrs["commit_sha256"] = hashlib.sha256(text).hexdigest()

    return edited(path, edit)


def first(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        next(d for d in record["datasets"] if d["path"] == f"/{W}").update(changes)

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda record: b"[]",
        lambda record: b"\xff",
        lambda record: b"[" * 100_000,
        lambda record: b"{",
        lambda record: record.clear(),
        lambda record: record.update(datasets=3),
        lambda record: record.update(datasets=[3]),
        lambda record: record.update(resources=[1]),
        lambda record: record.update(resources=[[[], [], []]]),
        lambda record: record.update(notes=3),
        first(dtype="nothing"),
        first(dtype="double"),
        first(dtype="int32"),
        first(dtype="string"),
        first(dtype=[]),
        first(shape=[3, 2]),
        first(shape=[2**62]),
        first(shape=None),
        first(path="/none"),
        first(path=3),
        first(path=""),
        first(path="../x"),
        first(crc32=0),
        first(name=[]),
    ],
)
def test_forged_records(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    refused(forged(path, change))


def test_a_failed_write_leaves_the_old_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(statefile, "_write_dataset", fails)
    with pytest.raises(tfg.TfgError) as caught:
        statefile.write(path, State({("", "Variable", "w"): {"value": np.ones(3)}}))
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    assert same(statefile.read(path), STATE)
    assert [p.name for p in path.parent.iterdir()] == ["s.h5"]


def test_a_state_that_does_not_verify_never_replaces_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()
    monkeypatch.setattr(statefile, "_checksum", lambda stored: next(numbers))
    with pytest.raises(tfg.TfgError):
        statefile.write(path, State({("", "Variable", "w"): {"value": np.ones(3)}}))
    monkeypatch.undo()
    assert same(statefile.read(path), STATE)


def test_what_killed_writers_left_is_swept(path: Path) -> None:
    stale = path.with_name(".s.h5.0123456789ab.tmp")
    others = [path.with_name(name) for name in (".s.h5.tmp", ".t.h5.0123456789ab.tmp", ".s.h5.0123.tmp")]
    for file in (stale, *others):
        file.touch()
    statefile.write(path, STATE)
    assert sorted(path.parent.iterdir()) == sorted([path, *others])


def test_what_another_writer_holds_is_left_alone(path: Path) -> None:
    import fcntl

    held = path.with_name(".s.h5.0123456789ab.tmp")
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        statefile.write(path, STATE)
        assert held.exists()
    statefile.write(path, STATE)
    assert not held.exists()


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("link.h5")
    link.symlink_to(path)
    statefile.write(link, State({}, {"step": 1}))
    assert link.is_symlink()
    assert statefile.read(path).notes == {"step": 1}
