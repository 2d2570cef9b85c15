"""Damaged, changed and forged state files: each is refused with one error."""

from __future__ import annotations

import json
import random
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tfg
from hypothesis import given, settings
from hypothesis import strategies as st
from tfg.graphfmt.checkpoints.hdf5 import chunks, commit_record, state_file, state_writer
from tfg.graphfmt.errors import TfgError

from ..graphfmt.checkpoints.states import STATE, refused, same, variables


@pytest.fixture
def path(tmp_path: Path) -> Path:
    state_file.write(tmp_path / "s.h5", STATE)
    return tmp_path / "s.h5"


def test_no_flipped_bit_goes_by(path: Path) -> None:
    data, chance = path.read_bytes(), random.Random(0)
    for place in [*range(160), *(chance.randrange(len(data)) for _ in range(300))]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        assert len(state_file.verify(path)) == 1
        with pytest.raises(tfg.TfgError) as caught:
            state_file.read(path)
        assert caught.value.status in ("DATA_LOSS", "INVALID_ARGUMENT")


def test_no_shortened_file_goes_by(path: Path) -> None:
    data, chance = path.read_bytes(), random.Random(0)
    for size in [0, 1, 8, 100, len(data) - 1, *(chance.randrange(len(data)) for _ in range(60))]:
        path.write_bytes(data[:size])
        refused(path)
    path.write_bytes(data + b"\0")
    refused(path)


@settings(max_examples=200, deadline=None)
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=20)), min_size=1
    )
)
def test_random_changes_are_refused(edits: list[tuple[float, bytes]], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "random.h5"
    state_file.write(path, variables(w=np.arange(10)))
    data = path.read_bytes()
    changed = bytearray(data)
    for place, new in edits:
        begin = int(place * len(data))
        changed[begin : begin + len(new)] = new
    path.write_bytes(changed)
    if changed != data:
        assert len(state_file.verify(path)) == 1


def test_the_damaged_datasets_are_named_all_at_once(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["w"][0, 0] = 9
        file[":Queue/q:1"][0] = 9
    assert [("'/w'" in e.message, "'/:Queue/q:1'" in e.message) for e in state_file.verify(path)] == [
        (False, True),
        (True, False),
    ]
    assert "'/:Queue/q:1'" in refused(path)
    with state_file.open_state(path) as reader, pytest.raises(tfg.TfgError) as caught:
        assert reader.read("hidden/w").tolist() == 3
        reader.read("w")
    assert "'/w'" in caught.value.message


def test_files_of_another_kind(tmp_path: Path) -> None:
    refused(tmp_path / "none.h5", "NOT_FOUND")
    refused(tmp_path, "FAILED_PRECONDITION")
    (tmp_path / "text.h5").write_text("hello")
    refused(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = 1
    assert "not a state file of tfg" in refused(tmp_path / "other.h5", "INVALID_ARGUMENT")


@pytest.mark.parametrize("version", [b"1", b"3", b"99"])
def test_another_format(path: Path, version: bytes) -> None:
    with h5py.File(path, "r+") as file:
        line = file[":checkpoint"][()]
        file[":checkpoint"][()] = line.replace(b"format 2", b"format " + version)
    message = refused(path, "INVALID_ARGUMENT")
    assert f"format {version.decode()}; this version of tfg reads format 2" in message


Edit = Callable[[Any], None]


def edited(path: Path, edit: Edit) -> Path:
    copy = path.with_name("edited.h5")
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        edit(file)
    return copy


def replaced(link: Any) -> Edit:
    def edit(file: Any) -> None:
        del file["w"]
        file["w"] = link

    return edit


def dataset(*args: Any, **options: Any) -> Edit:
    def edit(file: Any) -> None:
        del file["w"]
        file.create_dataset("w", *args, **options)

    return edit


def linked_to_itself(file: Any) -> None:
    file["more"] = file["/"]


@pytest.mark.parametrize(
    "edit",
    [
        replaced(h5py.SoftLink("/hidden")),
        replaced(h5py.SoftLink("/w")),
        replaced(h5py.ExternalLink("/etc/passwd", "/x")),
        replaced(np.zeros((2, 3), np.float32)),
        replaced(np.arange(6, dtype=np.float32).reshape(2, 3)),
        replaced(np.arange(6, dtype=np.float64)),
        replaced(h5py.Empty("f")),
        replaced(np.dtype("f4")),
        dataset((1 << 40,), "f4"),
        dataset((1 << 40,), "f4", chunks=(1 << 20,)),
        dataset((1 << 28,), "f4", chunks=(1 << 20,), compression="gzip"),
        dataset((2, 3), "f4", external=[("/etc/passwd", 0, 24)]),
        dataset((2,), h5py.string_dtype()),
        linked_to_itself,
        lambda file: file["w"].attrs.update(dtype="double"),
        lambda file: file["w"].attrs.update(more=np.zeros(8000)),
        lambda file: file.attrs.update(more=1),
        lambda file: file.move("w", "v"),
    ],
)
def test_what_another_program_changed_is_refused(path: Path, edit: Edit) -> None:
    refused(edited(path, edit))


def forged(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A file whose commit record is another one, and verifies."""
    data = bytearray(path.read_bytes())
    seal = commit_record.find_seal(bytes(data))
    assert seal is not None
    made = json.loads(data[seal.address :][: seal.length])
    changed = change(made)
    text = changed if isinstance(changed, bytes) else json.dumps(made, separators=(",", ":")).encode()
    assert len(text) <= seal.length
    text = text.ljust(seal.length)
    data[seal.address : seal.address + seal.length] = text
    data[seal.place : seal.place + commit_record.SEAL_SIZE] = commit_record.seal_bytes(seal.address, text)
    path.write_bytes(data)
    return path


def test_a_record_that_is_only_written_anew_is_fine(path: Path) -> None:
    assert same(state_file.read(forged(path, lambda made: None)), STATE)


def first(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        next(d for d in made["datasets"] if d["path"] == "/w").update(changes)

    return change


def piece(address: int = 0, length: int = 0) -> Callable[[dict[str, Any]], None]:
    """Moves and stretches the first piece."""

    def change(made: dict[str, Any]) -> None:
        found = next(d for d in made["datasets"] if d["path"] == "/w")["pieces"][0]
        found[0], found[1] = max(found[0] + address, 0), found[1] + length

    return change


FORGERIES: list[Callable[[dict[str, Any]], Any]] = [
    lambda made: b"[]",
    lambda made: b"\xff",
    lambda made: b"[" * 2000,
    lambda made: b"{",
    lambda made: made.clear(),
    lambda made: made.update(datasets=3),
    lambda made: made.update(datasets=[3]),
    lambda made: made.update(resources=[1]),
    lambda made: made.update(resources=[[[], [], []]]),
    lambda made: made.update(notes=3),
    lambda made: made.update(size=1 << 62),
    lambda made: made.update(size="x"),
    lambda made: made.update(structure=0),
    lambda made: made["datasets"].append(made["datasets"][0]),
    lambda made: made["datasets"].append({**made["datasets"][0], "path": "/other"}),
    first(dtype="nothing"),
    first(dtype="double"),
    first(dtype="string"),
    first(dtype="string", room=3),
    first(dtype="string", packed=24, shape=[1]),
    first(dtype="resource"),
    first(dtype="float_ref"),
    first(dtype=[]),
    first(kept="int32"),
    first(kept="half"),
    first(shape=[2**62]),
    first(shape=[2**40, 2**40]),
    first(shape=[-2, -3]),
    first(shape=[2.0, 3]),
    first(shape=[1] * 65),
    first(shape=None),
    first(chunks=[1, 3]),
    first(chunks=[2, 1]),
    first(chunks=[0, 0]),
    first(chunks=[3, 3]),
    first(chunks=[1, 3], compressed=True),
    first(compressed=True),
    first(part=[[0, 0], [2, 3]], whole=[1, 3]),
    first(part=[[0, 0], [2, 3]]),
    first(part=[[0], [2]], whole=[2, 3]),
    first(path=3),
    first(name=[]),
    first(pieces=[]),
    first(pieces=3),
    piece(address=4),
    piece(address=-(1 << 40)),
    piece(address=1 << 40),
    piece(address=1 << 62),
    piece(length=-4),
    piece(length=4),
]


@pytest.mark.parametrize("change", FORGERIES)
def test_forged_records(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    refused(forged(path, change))


def test_a_compression_bomb_is_not_set_off(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    state_file.write(path, variables(w=np.zeros(1 << 18, np.uint8)), compress=True)

    def claim(made: dict[str, Any]) -> None:
        made["datasets"][0]["shape"] = made["datasets"][0]["chunks"] = [1 << 32]

    message = refused(forged(path, claim), "RESOURCE_EXHAUSTED")
    assert "'/w'" in message and str(1 << 32) in message


def test_a_chunk_does_not_grow_beyond_its_size(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    state_file.write(path, variables(w=np.random.default_rng(0).integers(0, 4, 1 << 18)), compress=True)
    with state_file.open_state(path) as reader:
        address, length, _ = reader.datasets[0].pieces[0]
    bomb = zlib.compress(bytes(1 << 24)).ljust(length, b"\0")
    data = bytearray(path.read_bytes())
    data[address : address + length] = bomb
    path.write_bytes(data)
    assert "checksum" in refused(path)

    def confirmed(made: dict[str, Any]) -> None:
        made["datasets"][0]["pieces"][0][2] = chunks.checksum(bomb)

    assert "'/w'" in refused(forged(path, confirmed))


def test_what_does_not_read_back_is_called_by_the_name_it_was_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_writer, "_write", lambda *args: None)
    with pytest.raises(TfgError, match=re.escape(f"'{tmp_path}/m.h5' is not an HDF5 file")):
        state_file.write(tmp_path / "m.h5", STATE)
    assert not list(tmp_path.iterdir())


def test_another_program_that_wrote_the_file_anew_is_not_taken_for_damage(path: Path) -> None:
    with h5py.File(path) as old, h5py.File(path.with_name("copy.h5"), "w") as new:
        for name in old:
            old.copy(name, new)
    for changed in (path.with_name("copy.h5"), edited(path, lambda file: file.attrs.update(more=1))):
        assert "was written by another program" in refused(changed)
