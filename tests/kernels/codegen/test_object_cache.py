"""The cache of object code: what is found again, and that no state of the folder breaks anything."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfg.kernels.codegen import llvm_engine, object_cache
from tfg.kernels.codegen.expression import Apply, ElementLoop, Input, Literal, Operand
from tfg.kernels.codegen.native_loop import compile_loop
from tfg.kernels.codegen.object_cache import ObjectCache, cache_folder

KIND = np.dtype("f4")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_finds_what_was_stored_under_the_same_key(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    cache = ObjectCache(folder)
    assert cache.load("ir", "cpu") is None
    cache.store(b"code", "ir", "cpu")
    assert ObjectCache(folder).load("ir", "cpu") == b"code"
    assert cache.load("ir", "another cpu") is None
    assert cache.load("irc", "pu") is None
    assert [path.suffix for path in _files(folder)] == [".o"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: bytes(len(data)),
    ],
)
def test_damaged_files_are_not_used(damage: Any, tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.store(b"code" * 20, "key")
    (path,) = _files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load("key") is None
    cache.store(b"new", "key")
    assert cache.load("key") == b"new"


def test_renamed_files_are_not_used(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.store(b"code", "key")
    (path,) = _files(tmp_path)
    path.rename(ObjectCache._path(tmp_path, ("another",)))
    assert cache.load("another") is None


def test_files_that_others_may_write_are_not_used(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.store(b"code", "key")
    (path,) = _files(tmp_path)
    path.chmod(0o666)
    assert cache.load("key") is None
    path.chmod(0o600)
    assert cache.load("key") == b"code"
    tmp_path.chmod(0o777)
    assert cache.load("key") is None
    cache.store(b"code", "another")
    assert len(_files(tmp_path)) == 1


def test_links_pipes_and_folders_in_place_of_files_are_not_followed(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path)
    cache.store(b"code", "key")
    (path,) = _files(tmp_path)
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    assert cache.load("key") is None
    path.unlink()
    os.mkfifo(path)
    assert cache.load("key") is None
    path.unlink()
    path.mkdir()
    assert cache.load("key") is None
    cache.store(b"code", "key")
    assert cache.load("key") is None
    assert not list(tmp_path.glob("*.tmp"))


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    cache = ObjectCache(path)
    cache.store(b"code", "key")
    assert cache.load("key") is None
    assert path.read_bytes() == b"mine"


def test_errors_of_writing_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    cache = ObjectCache(tmp_path)
    cache.store(b"code", "key")
    assert cache.load("key") is None
    assert not _files(tmp_path)


def test_no_folder_no_cache() -> None:
    cache = ObjectCache(None)
    cache.store(b"code", "key")
    assert cache.load("key") is None


def test_the_oldest_files_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_cache, "_MOST_BYTES", 1000)
    monkeypatch.setattr(object_cache, "_KEPT_BYTES", 600)
    cache = ObjectCache(tmp_path)
    now = time.time()
    for number in range(8):
        cache.store(bytes(100), str(number))
        path = ObjectCache._path(tmp_path, (str(number),))
        if path.exists():
            os.utime(path, (now - 100 + number, now - 100 + number))
    kept = [number for number in range(8) if cache.load(str(number)) is not None]
    assert kept == [4, 5, 6, 7]
    assert sum(path.stat().st_size for path in _files(tmp_path)) <= 1000


def test_what_interrupted_writers_left_is_deleted(tmp_path: Path) -> None:
    old, new = tmp_path / "a.1.tmp", tmp_path / "b.2.tmp"
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    ObjectCache(tmp_path).store(b"code", "key")
    assert not old.exists() and new.exists()


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("/a/b", "/a/b/tfg"), ("relative", "/home/x/.cache/tfg"), ("", "/home/x/.cache/tfg")],
)
def test_the_folder_is_that_of_the_xdg_specification(
    variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_folder() == Path(expected)


def _loop(number: float) -> ElementLoop:
    one = Apply(KIND, "add", (Input(KIND, 0), Literal(KIND, number)))
    return ElementLoop((5000,), (Operand(KIND, (5000,)),), (one,))


def _results(number: float) -> Any:
    """What a loop computes whose code this process does not yet have in memory."""
    llvm_engine._addresses.clear()
    native = compile_loop(_loop(number))
    assert native is not None
    return native(np.arange(5000, dtype="f4"))[0]


def test_compiled_loops_are_loaded_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llvmlite")
    cache = ObjectCache(tmp_path)
    monkeypatch.setattr(llvm_engine, "_cache", lambda: cache)
    counts = llvm_engine.COUNTS
    compiled, loaded = counts.compiled, counts.loaded
    wanted = np.arange(5000, dtype="f4") + np.float32(1.25)
    np.testing.assert_array_equal(_results(1.25), wanted)
    assert (counts.compiled, counts.loaded) == (compiled + 1, loaded)
    np.testing.assert_array_equal(_results(1.25), wanted)
    assert (counts.compiled, counts.loaded) == (compiled + 1, loaded + 1)
    (path,) = _files(tmp_path)
    path.write_bytes(b"damaged")
    np.testing.assert_array_equal(_results(1.25), wanted)
    assert (counts.compiled, counts.loaded) == (compiled + 2, loaded + 1)


def test_a_whole_file_that_is_no_object_code_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("llvmlite")

    class Wrong(ObjectCache):
        def load(self, *key: str) -> bytes | None:
            return b"no object code, although its checksum is right"

    monkeypatch.setattr(llvm_engine, "_cache", lambda: Wrong(tmp_path))
    np.testing.assert_array_equal(_results(2.5), np.arange(5000, dtype="f4") + np.float32(2.5))
