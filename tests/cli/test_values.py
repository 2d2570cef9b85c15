"""The values of --feed: literals and files, accepted and refused."""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import pytest

from .command import Outcome, is_diagnostic, run_tfg

Feed = Callable[..., Outcome]


@pytest.fixture
def feed(feeds_graph: Path) -> Feed:
    """``feed("y", "x=…")`` runs the graph of all dtypes."""

    def run(fetch: str, *feeds: str, stdin: bytes = b"", json: bool = True) -> Outcome:
        options = [part for text in feeds for part in ("--feed", text)]
        return run_tfg("run", feeds_graph, "--fetch", fetch, *options, *(["--json"] * json), stdin=stdin)

    return run


def value(outcome: Outcome) -> Any:
    assert outcome.status == 0, outcome.err
    return next(iter(outcome.json["values"].values()))["value"]


@pytest.mark.parametrize(
    ("fetch", "option", "expected"),
    [
        ("y", "x=[[1,2]]", [[2, 4]]),
        ("y", "x:0=[[1.5,-2]]", [[3, -4]]),
        ("y:0", "x=[]", None),
        ("y", "x=[[NaN,-Infinity]]", [["NaN", "-Infinity"]]),
        ("y", "x=[[1e999,1]]", [["Infinity", 2]]),
        ("j", "i=7", 7),
        ("j", "i=[]", []),
        ("j", "i=[[],[]]", [[], []]),
        ("j", "i=[2147483647,-2147483648]", [2147483647, -2147483648]),
        ("c", "b=true", True),
        ("c", "b=[]", []),
        ("t", 's="a=b:0[c] é"', "a=b:0[c] é"),
        ("t", 's=""', ""),
        ("j", "i=zeros:2,1", [[0], [0]]),
        ("j", "i=ones:", 1),
        ("y", "x=ones", [[2, 2]]),
        ("t", "s=zeros", ""),
    ],
)
def test_literals_take_the_dtype_of_what_is_fed(feed: Feed, fetch: str, option: str, expected: Any) -> None:
    outcome = feed(fetch, option)
    if expected is None:
        assert is_diagnostic(
            outcome, "INVALID_ARGUMENT", "shape [0] for 'x', which has shape [?,2]", 'node "x"'
        )
    else:
        assert value(outcome) == expected


@pytest.mark.parametrize(
    ("fetch", "option", "why"),
    [
        ("j", "i=1.0", "'i' is int32, and cannot be fed the double 1.0"),
        ("j", "i=true", "cannot be fed the bool True"),
        ("j", "i=3000000000", "cannot be fed the int64 3000000000"),
        ("j", "i=[1,3000000000]", "cannot be fed int64 values without loss"),
        ("j", "i=99999999999999999999999", "cannot be fed a number of more than 64 bits"),
        ("j", 'i=[1,"a"]', "cannot be fed text"),
        ("c", "b=1", "'b' is bool, and cannot be fed the int64 1"),
        ("y", 'x=[["NaN",2]]', "'x' is float, and cannot be fed text"),
        ("t", "s=3", "'s' is string, and cannot be fed the int64 3"),
        ("t", 's=["a"]', "Cannot feed value of shape [1] for 's'"),
        ("y", "x=random:3,3", "Cannot feed value of shape [3,3]"),
    ],
)
def test_values_of_another_dtype_or_shape(feed: Feed, fetch: str, option: str, why: str) -> None:
    outcome = feed(fetch, option)
    assert outcome.status == 1
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why, "feeds.pbtxt:", f'node "{option[0]}"')
    assert outcome.json["error"]["node"] == option[0]


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("i", "--feed 'i' is not of the form NAME=VALUE"),
        ("=3", "is not of the form NAME=VALUE"),
        ("i=", "is neither JSON, nor a file, nor zeros, ones or random"),
        ("i=hello", "a string needs double quotes"),
        ('i=__import__("os").system("id")', "is neither JSON"),
        ("i=[1,2", "is neither JSON"),
        ("i=os.environ", "is neither JSON"),
        ("i={{7*7}}", "is neither JSON"),
        ("i=0x10", "is neither JSON"),
        ("i=zeros:2,,3", "is neither JSON"),
        ("i=zeros:-1", "is neither JSON"),
        ('i={"a":1}', "is an object, which is not a tensor value"),
        ("i=null", "is null, which is not a tensor value"),
        ("i=[1,null]", "has elements that are not numbers"),
        ('i=[{"a":1}]', "has elements that are not numbers"),
        ("i=[[1,2],[3]]", "has rows of different lengths"),
        ("i=[[1,2],3]", "has rows of different lengths"),
        ("i=" + "[" * 100_000, "is nested too deeply"),
        ("i=" + "[" * 40 + "]" * 40, "is nested too deeply"),
        ("i=@", "does not name a file"),
        ("i=@g.npy[key]", "[KEY] needs a .npz or .h5 file"),
    ],
)
def test_no_value_at_all_is_a_wrong_command_line(feed: Feed, option: str, why: str) -> None:
    outcome = feed("j", option)
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why)
    assert len(outcome.err) < 400


def test_code_is_never_run(feed: Feed, tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    for text in (
        f"open({str(target)!r}, 'w')",
        f"exec(\"open('{target}','w')\")",
        "!!python/object:os.system",
    ):
        assert feed("j", f"i={text}").status == 2
    assert not target.exists()


def test_a_lone_surrogate_has_bytes(feed: Feed) -> None:
    outcome = feed("t", r's="\ud800"', json=False)
    assert (outcome.status, outcome.out) == (0, 't = "\\xed\\xa0\\x80"\n')


def test_random_is_the_same_for_the_same_seed(feeds_graph: Path) -> None:
    def made(*options: str) -> str:
        return run_tfg("run", feeds_graph, "--fetch", "y", "--feed", "x=random:4,2", *options).out

    assert made() == made("--seed", "0") != made("--seed", "1")
    assert run_tfg("run", feeds_graph, "--fetch", "y", "--feed", "x=ones", "--seed", "-1").status == 2


def test_made_up_values_need_a_shape_and_memory(feed: Feed) -> None:
    assert is_diagnostic(feed("j", "i=zeros"), "INVALID_ARGUMENT", "is unknown", "--feed i=zeros:2,3")
    huge = feed("j", "i=ones:999999999999,999999999999")
    assert is_diagnostic(huge, "RESOURCE_EXHAUSTED", "would have")


def test_a_tensor_is_fed_once_and_fetched_as_fed(feed: Feed) -> None:
    assert is_diagnostic(feed("j", "i=1", "i:0=2"), "INVALID_ARGUMENT", "fed more than once")
    assert feed("j", "i=1", "j=2").json["values"]["j"]["value"] == 2


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        ("nope", "NOT_FOUND", "the feed 'nope' is not in the graph"),
        ("I", "NOT_FOUND", "did you mean 'i'?"),
        ("i:1", "INVALID_ARGUMENT", "output"),
        ("i:-1", "INVALID_ARGUMENT", "not of the form"),
        ("i:99999999999", "INVALID_ARGUMENT", "not of the form"),
        ("a:b:c", "INVALID_ARGUMENT", "not of the form"),
        ("i[0]", "NOT_FOUND", "is not in the graph"),
        ("^go", "INVALID_ARGUMENT", "control output"),
        ("go", "INVALID_ARGUMENT", "no output"),
    ],
)
def test_names_that_cannot_be_fed(feed: Feed, name: str, status: str, why: str) -> None:
    outcome = feed("j", f"{name}=1", *([] if name.startswith(("i", "I")) else ["i=1"]))
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, why)


# Files.

ROWS = np.arange(4, dtype=np.float32).reshape(2, 2)
DOUBLED = (2 * ROWS).tolist()


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def header(shape: str, dtype: str = "'<f4'") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def fed_file(feed: Feed, path: Path, data: bytes, key: str = "") -> Outcome:
    path.write_bytes(data)
    return feed("y", f"x=@{path}{key}")


@pytest.mark.parametrize(
    "array", [ROWS, ROWS.astype(">f8"), np.asfortranarray(ROWS), ROWS.astype(np.uint8)], ids=str
)
def test_npy_files_of_any_layout(feed: Feed, tmp_path: Path, array: Any) -> None:
    assert value(fed_file(feed, tmp_path / "x.npy", npy(array))) == DOUBLED
    assert value(feed("y", "x=@-", stdin=npy(array))) == DOUBLED


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not a .npy file"),
        (b"garbage", "is not a .npy file"),
        (npy(ROWS)[:40], "is not a .npy file"),
        (npy(ROWS)[:-1], "claims 4 elements of float32, but holds 15 bytes"),
        (npy(ROWS) + b"x", "but holds 17 bytes"),
        (header("(99999999999,99999999999)"), "but holds 0 bytes"),
        (header("(-1,-8)") + bytes(32), "claims the impossible shape (-1, -8)"),
        (header("(0,99999999999999999999)"), "claims the impossible shape"),
        (header("(True,2)") + bytes(8), "claims the impossible shape"),
        (header(f"({'1,' * 65})") + bytes(4), "which no tensor has"),
        (header("(99999999999,)", "'|V0'"), "which no tensor has"),
        (header("(1,2)", "'<M8[s]'") + bytes(16), "which no tensor has"),
        (header("(2,2)", "[('a','<f4')]") + bytes(16), "which no tensor has"),
        (header("(" * 3000 + ")" * 3000), "is not a .npy file"),
        (header("(__import__('os').getpid(),)"), "is not a .npy file"),
    ],
)
def test_npy_files_that_lie(feed: Feed, tmp_path: Path, data: bytes, why: str) -> None:
    outcome = fed_file(feed, tmp_path / "x.npy", data)
    assert outcome.status == 1
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why)
    assert is_diagnostic(feed("y", "x=@-", stdin=data), "INVALID_ARGUMENT", "<stdin>", why)


class Loud:
    """Says so when it is unpickled."""

    def __reduce__(self) -> Any:
        return print, ("unpickled",)


def test_pickles_are_refused(feed: Feed, tmp_path: Path) -> None:
    array = np.array([Loud()], object)
    outcome = fed_file(feed, tmp_path / "x.npy", npy(array))
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "does not unpickle")
    np.savez(tmp_path / "x.npz", x=array)
    outcome = feed("y", f"x=@{tmp_path}/x.npz")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "does not unpickle")
    assert "unpickled\n" not in outcome.out


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    np.savez(tmp_path / "all.npz", x=ROWS, i=np.arange(3, dtype=np.int32))
    return tmp_path / "all.npz"


def test_an_array_of_an_archive(feed: Feed, archive: Path, tmp_path: Path) -> None:
    assert value(feed("y", f"x=@{archive}[x]")) == DOUBLED
    several = feed("y", f"x=@{archive}")
    assert is_diagnostic(several, "INVALID_ARGUMENT", "several arrays: x, i", f"choose one: @{archive}[x]")
    assert is_diagnostic(feed("y", f"x=@{archive}[X]"), "NOT_FOUND", "did you mean 'x'?")
    np.savez_compressed(tmp_path / "one.npz", only=ROWS)
    assert value(feed("y", f"x=@{tmp_path}/one.npz")) == DOUBLED


def test_all_arrays_of_an_archive(feeds_graph: Path, archive: Path) -> None:
    options = ("--fetch", "y", "--fetch", "j", "--json")
    outcome = run_tfg("run", feeds_graph, "--feeds", archive, *options)
    assert outcome.json["values"]["y"]["value"] == DOUBLED
    assert outcome.json["values"]["j"]["value"] == [0, 1, 2]
    twice = run_tfg("run", feeds_graph, "--feeds", archive, "--feed", "x=ones", *options)
    assert is_diagnostic(twice, "INVALID_ARGUMENT", "'x' is fed more than once")
    missing = run_tfg("run", feeds_graph, "--feeds", archive.with_name("no.npz"), *options)
    assert is_diagnostic(missing, "NOT_FOUND", "no.npz")


def test_damaged_archives(feed: Feed, archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    for damaged in (b"", b"PK", data[: len(data) // 2], data[:60] + b"\xff" * 80 + data[140:]):
        outcome = fed_file(feed, tmp_path / "bad.npz", damaged, "[x]")
        assert outcome.status == 1
        assert is_diagnostic(outcome, "INVALID_ARGUMENT", "bad.npz")
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    assert is_diagnostic(feed("y", f"x=@{tmp_path}/none.npz"), "INVALID_ARGUMENT", "holds no arrays")


def test_a_zip_bomb_does_not_go_off(feed: Feed, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(header(f"({1 << 24},2)"))
        for _ in range(1 << 7):
            member.write(bytes(1 << 20))
    assert is_diagnostic(feed("y", f"x=@{path}"), "RESOURCE_EXHAUSTED", "claims 134217856 bytes out of")


@pytest.fixture
def hdf5(tmp_path: Path) -> Path:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["group/set"] = ROWS
        file["texts"] = ["a", "é"]
        file["empty"] = h5py.Empty("f")
        file["soft"] = h5py.SoftLink("/group/set")
        file["outside"] = h5py.ExternalLink("/etc/passwd", "/x")
        file["loop"] = h5py.SoftLink("/loop")
        file["group/self"] = file["group"]
        file.create_dataset("pairs", (2, 2), dtype=[("a", "f4")])
        file.create_dataset("claimed", (1 << 40, 2), "f4", chunks=(1024, 2))
        file.create_dataset("unwritten", (1 << 40, 2), "f4")
        file.create_dataset("bomb", (1 << 26, 2), "f4", chunks=(1 << 20, 2), compression="gzip")
        file.create_dataset("elsewhere", (2, 2), "f4", external=[("/etc/passwd", 0, 16)])
    return path


def test_a_dataset_of_an_hdf5_file(feed: Feed, hdf5: Path) -> None:
    assert value(feed("y", f"x=@{hdf5}[/group/set]")) == DOUBLED
    assert value(feed("y", f"x=@{hdf5}[group/set]")) == DOUBLED
    assert is_diagnostic(feed("y", f"x=@{hdf5}"), "INVALID_ARGUMENT", "holds several arrays")


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("soft", "NOT_FOUND"),
        ("outside", "NOT_FOUND"),
        ("loop", "NOT_FOUND"),
        ("group", "NOT_FOUND"),
        ("../group/set", "NOT_FOUND"),
        ("empty", "INVALID_ARGUMENT"),
        ("pairs", "INVALID_ARGUMENT"),
        ("texts", "INVALID_ARGUMENT"),
        ("elsewhere", "INVALID_ARGUMENT"),
        ("claimed", "RESOURCE_EXHAUSTED"),
        ("unwritten", "RESOURCE_EXHAUSTED"),
        ("bomb", "RESOURCE_EXHAUSTED"),
    ],
)
def test_datasets_that_are_none(feed: Feed, hdf5: Path, key: str, status: str) -> None:
    outcome = feed("y", f"x=@{hdf5}[{key}]")
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, "data.h5" if status != "INVALID_ARGUMENT" else "")


def test_damaged_hdf5(feed: Feed, hdf5: Path) -> None:
    data = hdf5.read_bytes()
    for damaged in (b"", b"text", data[:500], data[: len(data) // 2]):
        assert is_diagnostic(fed_file(feed, hdf5, damaged, "[x]"), "INVALID_ARGUMENT", "as HDF5")


def test_any_other_file_is_its_bytes(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello\n")
    (tmp_path / "blob.bin").write_bytes(bytes(range(256)))
    assert value(feed("t", f"s=@{tmp_path}/note.txt")) == "hello\n"
    assert "\\xff" in value(feed("t", f"s=@{tmp_path}/blob.bin"))
    text_as_numbers = feed("y", f"x=@{tmp_path}/note.txt")
    assert is_diagnostic(text_as_numbers, "INVALID_ARGUMENT", "cannot be fed text")


@pytest.mark.parametrize("name", ["no.npy", "no.npz", "no.h5", "no.txt", "no.png"])
def test_files_that_are_not_there(feed: Feed, tmp_path: Path, name: str) -> None:
    if name.endswith("png"):
        pytest.importorskip("PIL")
    outcome = feed("y", f"x=@{tmp_path}/{name}")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "NOT_FOUND", name)


def test_a_folder_is_no_file(feed: Feed, tmp_path: Path) -> None:
    (tmp_path / "folder.npy").mkdir()
    for name in ("", "folder.npy"):
        outcome = feed("t", f"s=@{tmp_path}/{name}")
        assert is_diagnostic(outcome, "FAILED_PRECONDITION", "it is a folder")


IMAGE = """
node { name: "image" op: "Placeholder" attr { key: "dtype" value { type: DT_UINT8 } } }
node { name: "shape" op: "Shape" input: "image" attr { key: "T" value { type: DT_UINT8 } } }
"""


def image_shape(path: Path, image: Path) -> Outcome:
    graph = path / "image.pbtxt"
    graph.write_text(IMAGE)
    return run_tfg("run", graph, "--fetch", "shape", "--feed", f"image=@{image}", "--json")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4), ("P", 3), ("1", 3)])
def test_images_are_height_width_channels(tmp_path: Path, mode: str, channels: int) -> None:
    pil = pytest.importorskip("PIL.Image")
    pil.new(mode, (5, 3)).save(tmp_path / "x.PNG")
    assert value(image_shape(tmp_path, tmp_path / "x.PNG")) == [3, 5, channels]


def test_images_that_are_none(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    pil.new("RGB", (50, 30)).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    for damaged in (b"", b"GIF", data[:40], data[:-30]):
        (tmp_path / "x.png").write_bytes(damaged)
        outcome = image_shape(tmp_path, tmp_path / "x.png")
        assert is_diagnostic(outcome, "INVALID_ARGUMENT", "cannot read an image")
        assert "0x" not in outcome.err


def test_without_pillow_an_image_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    with patch.dict(sys.modules, {"PIL": None}):
        outcome = image_shape(tmp_path, tmp_path / "x.png")
    assert is_diagnostic(
        outcome, "FAILED_PRECONDITION", "reading an image needs the package pillow", "tfg[images]"
    )


# Damaged files.


def test_damaged_feeds_of_every_format_give_one_error() -> None:
    hostile = Path(__file__).parents[1] / "cases" / "hostile"
    for name, status, why in (
        ("k17_segfault_feed.h5", "DATA_LOSS", "HDF5 crashes on it"),
        ("h07_damaged_feed.h5", "DATA_LOSS", "within the time that its size allows"),
        ("k16_zip_version.npz", "INVALID_ARGUMENT", "zip file version 9.9"),
    ):
        outcome = run_tfg("run", hostile / "h07.pbtxt", "--feed", f"x=@{hostile / name}", "--fetch", "y")
        assert is_diagnostic(outcome, status, why)


def test_archives_with_flipped_bytes(tmp_path: Path, feed: Feed) -> None:
    path, random = tmp_path / "x.npz", np.random.default_rng(0)
    np.savez_compressed(path, x=np.ones((2, 2), np.float32))
    whole = path.read_bytes()
    for place in random.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        outcome = feed("y", f"x=@{path}[x]")
        assert outcome.status == 0 or "INTERNAL" not in outcome.err


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "tif"])
def test_images_with_flipped_bytes(suffix: str, tmp_path: Path, feed: Feed) -> None:
    image_module = pytest.importorskip("PIL.Image")
    path, random = tmp_path / f"x.{suffix}", np.random.default_rng(0)
    image_module.fromarray(random.integers(0, 256, (9, 8, 3), np.uint8)).save(path)
    whole = path.read_bytes()
    for place in random.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        outcome = feed("j", f"i=@{path}")
        assert outcome.status == 0 or "INTERNAL" not in outcome.err


def test_a_pipe_is_refused_where_a_file_is_needed(tmp_path: Path, feed: Feed) -> None:
    os.mkfifo(tmp_path / "x.npz")
    outcome = feed("y", f"x=@{tmp_path / 'x.npz'}[x]")
    assert is_diagnostic(outcome, "FAILED_PRECONDITION", "is a pipe or a device", "save it in a file first")
