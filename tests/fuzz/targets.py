"""The kinds of inputs: how one is made, and how it is checked."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from tfg.graphfmt import load
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.proto.binary import graph_to_bytes as to_bytes
from tfg.graphfmt.text.writer import write_graph as graph_text
from tfg.runtime.execution.session import Session

from tests.cli.command import run_tfg

from . import byte_mutations, graph_mutations, graphs
from .checks import check_commands, check_graph_file
from .findings import ROOT, Finding

Check = Callable[[Path, bytes], Finding | None]


@dataclass(frozen=True)
class Target:
    """A kind of input: ``make`` returns the bytes of a random one, None if that failed; ``check`` tries it in an empty
    folder. ``weight`` is how often it is taken."""

    make: Callable[[Random], bytes | None]
    check: Check
    weight: int = 1
    is_text: bool = False


def _graph(make: Callable[[Random], Graph | None]) -> Callable[[Random], bytes | None]:
    def made(rng: Random) -> bytes | None:
        graph = make(rng)
        return (
            None
            if graph is None
            else graph_text(graph_mutations.mutate(rng, graph)).encode("utf-8", "replace")
        )

    return made


# Files, of which bytes are changed.


@cache
def sample_graphs() -> list[bytes]:
    """Text graphs of several kinds."""
    paths = [
        *ROOT.glob("tests/cases/**/*.pbtxt"),
        *ROOT.glob("samples/**/*.pbtxt"),
        *ROOT.glob("tests/fuzz/corpus/graph*"),
    ]
    return [data for path in sorted(paths) if len(data := path.read_bytes()) < 20000]


def _mutated(seed: Callable[[], bytes], *, is_text: bool = False) -> Callable[[Random], bytes]:
    return lambda rng: byte_mutations.mutate(rng, seed(), is_text=is_text)


def _text_graph(rng: Random) -> bytes:
    graph = graphs.of_row(rng) if rng.random() < 0.5 else None
    data = graph_text(graph).encode("utf-8", "replace") if graph else rng.choice(sample_graphs())
    return byte_mutations.mutate(rng, data, is_text=True)


def _binary_graph(rng: Random) -> bytes | None:
    graph = graphs.of_row(rng)
    return None if graph is None else byte_mutations.mutate(rng, to_bytes(graph), is_text=False)


def _check_graph_as(name: str, *, runs: bool = True) -> Check:
    def check(folder: Path, data: bytes) -> Finding | None:
        (folder / name).write_bytes(data)
        file = f"DIR/{name}"
        commands = [
            ["validate", file, "--shapes"],
            ["show", file],
            ["place", file, "--devices", "cpu:2", "-o", "DIR/p.pbtxt"],
        ]
        commands += [
            ["run", file, "--fetch", "*", "--timeout", "2"],
            ["grad", file, "--loss", "out", "--wrt", "x", "-o", "DIR/g.pbtxt"],
        ]
        return check_commands(folder, *(commands if runs else commands[:2]))

    return check


MODEL = """node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: 2 } dim { size: 3 } } } } }
node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "value" value {
    tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } dim { size: 3 } } float_val: 2 } } } }
node { name: "init" op: "Assign" input: "v" input: "c" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "y" op: "Identity" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "z" op: "Identity" input: "v" attr { key: "T" value { type: DT_FLOAT } } }
"""


def _check_with_model(name: str, *commands: list[str]) -> Check:
    def check(folder: Path, data: bytes) -> Finding | None:
        (folder / "m.pbtxt").write_text(MODEL, encoding="utf-8")
        (folder / name).write_bytes(data)
        return check_commands(folder, *commands)

    return check


def _with_folder(make: Callable[[Path], Path]) -> bytes:
    folder = Path(tempfile.mkdtemp())
    try:
        return make(folder).read_bytes()
    finally:
        shutil.rmtree(folder)


@cache
def _state() -> bytes:
    def make(folder: Path) -> Path:
        (folder / "m.pbtxt").write_text(MODEL, encoding="utf-8")
        with Session(load.load(folder / "m.pbtxt")) as session:
            session.run([], {}, ["init"])
            session.save(folder / "s.h5")
        return folder / "s.h5"

    return _with_folder(make)


@cache
def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.float32([[1, 2], [3, 4]]))
    return out.getvalue()


@cache
def _npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, x=np.float32([[1, 2], [3, 4]]), y=np.arange(5))
    return out.getvalue()


@cache
def _png() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(out, "PNG")
    return out.getvalue()


@cache
def _h5() -> bytes:
    def make(folder: Path) -> Path:
        import h5py

        with h5py.File(folder / "x.h5", "w") as file:
            file["x"] = np.arange(6, dtype=np.float32)
        return folder / "x.h5"

    return _with_folder(make)


MACHINE = b"""device { name: "/device:CPU:0" memory: "8 GiB" speed: "50 GFLOP/s" bandwidth: "10 GB/s" }
device { name: "/device:CPU:1" memory: "4 GiB" speed: "25 GFLOP/s" bandwidth: "10 GB/s" }
"""


@cache
def _manifest() -> bytes:
    def make(folder: Path) -> Path:
        (folder / "m.pbtxt").write_text(MODEL, encoding="utf-8")
        run_tfg("partition", folder / "m.pbtxt", "--devices", "cpu:2", "-o", folder / "parts")
        return folder / "parts" / "manifest.json"

    return _with_folder(make)


def _check_manifest(folder: Path, data: bytes) -> Finding | None:
    (folder / "m.pbtxt").write_text(MODEL, encoding="utf-8")
    run_tfg("partition", folder / "m.pbtxt", "--devices", "cpu:2", "-o", folder / "parts")
    (folder / "parts" / "manifest.json").write_bytes(data)
    return check_commands(folder, ["run", "DIR/parts", "--feed", "x=1", "--fetch", "y"])


_BUNDLE = ROOT / "tests" / "graphfmt" / "data"


def _check_bundle(changed: str) -> Check:
    def check(folder: Path, data: bytes) -> Finding | None:
        for file in _BUNDLE.glob("bundle.*"):
            shutil.copy(file, folder)
        (folder / changed).write_bytes(data)
        index = "DIR/bundle.index"
        return check_commands(
            folder, ["show", index], ["checkpoint", "list", index], ["checkpoint", "verify", index]
        )

    return check


def _check_saved_model(folder: Path, data: bytes) -> Finding | None:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "saved_model.pb").write_bytes(data)
    model = "DIR/model"
    return check_commands(
        folder, ["show", model], ["validate", model], ["run", model, "--fetch", "*", "--timeout", "2"]
    )


def _wrapped(number: int, inner: bytes) -> bytes:
    """A protobuf field of bytes."""
    length, digits = len(inner), bytearray()
    while True:
        digits.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + bytes(digits) + inner


def _meta_graph(rng: Random) -> bytes | None:
    graph = graphs.of_row(rng)
    return None if graph is None else byte_mutations.mutate(rng, _wrapped(2, to_bytes(graph)), is_text=False)


def _saved_model(rng: Random) -> bytes | None:
    graph = graphs.of_row(rng)
    if graph is None:
        return None
    data = b"\x08\x01" + _wrapped(2, _wrapped(2, to_bytes(graph)))
    return byte_mutations.mutate(rng, data, is_text=False)


def _feed(name: str, key: str = "") -> Check:
    feed = ["run", "DIR/m.pbtxt", "--feed", f"x=@DIR/{name}{key}", "--fetch", "y"]
    feeds = ["run", "DIR/m.pbtxt", "--feeds", f"DIR/{name}", "--fetch", "y"]
    return _check_with_model(name, feed, *([feeds] if name.endswith(".npz") else []))


TARGETS: Mapping[str, Target] = {
    "graph-row": Target(_graph(graphs.of_row), check_graph_file, 60, is_text=True),
    "graph-op": Target(_graph(graphs.of_signature), check_graph_file, 40, is_text=True),
    "text": Target(_text_graph, _check_graph_as("g.pbtxt"), 8, is_text=True),
    "binary": Target(_binary_graph, _check_graph_as("g.pb"), 4),
    "meta": Target(_meta_graph, _check_graph_as("g.meta", runs=False), 3),
    "saved-model": Target(_saved_model, _check_saved_model, 3),
    "state": Target(
        _mutated(_state),
        _check_with_model(
            "s.h5",
            ["show", "DIR/s.h5"],
            ["checkpoint", "verify", "DIR/s.h5"],
            ["run", "DIR/m.pbtxt", "--state", "DIR/s.h5", "--fetch", "z"],
        ),
        3,
    ),
    "bundle-index": Target(_mutated((_BUNDLE / "bundle.index").read_bytes), _check_bundle("bundle.index"), 3),
    "bundle-data": Target(
        _mutated((_BUNDLE / "bundle.data-00000-of-00001").read_bytes),
        _check_bundle("bundle.data-00000-of-00001"),
    ),
    "v1": Target(
        _mutated((_BUNDLE / "v1.ckpt").read_bytes),
        _check_with_model("v1.ckpt", ["show", "DIR/v1.ckpt"], ["checkpoint", "verify", "DIR/v1.ckpt"]),
        3,
    ),
    "npy": Target(_mutated(_npy), _feed("f.npy"), 3),
    "npz": Target(_mutated(_npz), _feed("f.npz", "[x]"), 3),
    "h5": Target(_mutated(_h5), _feed("f.h5")),
    "png": Target(_mutated(_png), _feed("f.png"), 2),
    "machine": Target(
        _mutated(lambda: MACHINE, is_text=True),
        _check_with_model("d.txt", ["place", "DIR/m.pbtxt", "--devices", "DIR/d.txt", "-o", "DIR/p.pbtxt"]),
        2,
        is_text=True,
    ),
    "manifest": Target(_mutated(_manifest, is_text=True), _check_manifest, 2, is_text=True),
}
