"""Save and Restore as nodes: files written and read by graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt import dtypes
from tfg.graphfmt.checkpoints.open import open_checkpoint
from tfg.graphfmt.errors import Status, TfgError
from tfg.kernels.builder.graph_builder import GraphBuilder
from tfg.kernels.core import registry

X = np.arange(12, dtype=np.float32).reshape(4, 3)
BOTH = pytest.mark.parametrize("name", ["model.ckpt", "model.h5"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def strings(*texts: str) -> Any:
    return np.array([text.encode() for text in texts], object)


def save(prefix: str, tensors: dict[str, Any], specs: Sequence[str] = ()) -> None:
    """SaveV2 in a step of its own. A name that ends in ``'`` stands for the name without it."""
    g = GraphBuilder()
    values = [g.constant(value) for value in tensors.values()]
    names = [name.rstrip("'") for name in tensors]
    g.SaveV2(prefix, strings(*names), strings(*(specs or [""] * len(names))), values, name="save")
    run(g, targets=["save"])


def restore(prefix: str, names: Sequence[str], types: Sequence[str], specs: Sequence[str] = ()) -> list[Any]:
    g = GraphBuilder()
    made = g.RestoreV2(
        prefix, strings(*names), strings(*(specs or [""] * len(names))), dtypes=[*types], name="r"
    )
    return run(g, [tensor.name for tensor in made])


def run(g: GraphBuilder, fetches: Sequence[str] = (), targets: Sequence[str] = ()) -> list[Any]:
    with tfg.Session(g.graph()) as session:
        return session.run(fetches, targets=targets)


def failure(call: Any, *args: Any) -> TfgError:
    with pytest.raises(TfgError) as caught:
        call(*args)
    return caught.value


@BOTH
def test_what_is_saved_comes_back(name: str) -> None:
    words = np.array([b"a", b"", b"\xff\x00b"], object)
    half = np.array([1.5, -2], dtypes.BY_NAME["bfloat16"].numpy)
    given = {"x": X, "n/m": np.int64(7), "words": words, "half": half, "none": np.zeros((0, 2))}
    save(name, given)
    found = restore(name, list(given), ["float", "int64", "string", "bfloat16", "double"])
    for value, expected in zip(found, given.values()):
        assert value.dtype == np.asarray(expected).dtype
        assert value.shape == np.shape(expected)
        assert value.tolist() == np.asarray(expected).tolist()


@BOTH
def test_parts_of_a_tensor(name: str) -> None:
    save(name, {"x": X[:1], "x'": X[1:], "y": X}, ["4 3 0,1:-", "4 3 1,3:-", ""])
    whole, middle = restore(name, ["x", "x"], ["float"] * 2, ["", "4 3 0,2:1,2"])
    assert np.array_equal(whole, X)
    assert np.array_equal(middle, X[:2, 1:])
    (column,) = restore(name, ["y"], ["float"], ["4 3 -:2,1"])
    assert np.array_equal(column, X[:, 2:])


def test_the_shape_of_a_part_is_known_before_it_is_read() -> None:
    g = GraphBuilder()
    part, whole = g.RestoreV2("f", strings("x", "y"), strings("4 3 0,2:-", ""), dtypes=["float", "float"])
    assert part.shape.dims == (2, 3)
    assert whole.shape.dims is None
    assert g.RestoreSlice("f", "x", "4 3 -:1,1", dt="float").shape.dims == (4, 1)


@BOTH
def test_all_that_is_missing_is_told_at_once(name: str) -> None:
    save(name, {"weights": X, "bias": X})
    error = failure(restore, name, ["weight", "bias", "step"], ["float"] * 3)
    assert error.status == Status.NOT_FOUND
    assert "Keys weight, step not found in checkpoint" in error.message
    assert name in error.message
    assert error.hint == "did you mean 'weights'?"
    assert error.node == "r"


@BOTH
def test_all_of_another_dtype_are_told_at_once(name: str) -> None:
    save(name, {"x": X, "n": np.int64(1)})
    error = failure(restore, name, ["x", "n"], ["int32", "float"])
    assert error.status == Status.INVALID_ARGUMENT
    assert "tensor_name = x; expected dtype int32 does not equal original dtype float" in error.message
    assert "tensor_name = n; expected dtype float does not equal original dtype int64" in error.message


def test_a_part_of_something_else() -> None:
    save("f", {"x": X})
    error = failure(restore, "f", ["x"], ["float"], ["5 3 -:-"])
    assert error.status == Status.INVALID_ARGUMENT
    assert "spec [5,3] does not match the shape stored in checkpoint: [4,3]" in error.message


@pytest.mark.parametrize("prefix", ["nothing", "nothing.h5", "no/folder/f"])
def test_no_such_file(prefix: str) -> None:
    assert failure(restore, prefix, ["x"], ["float"]).status == Status.NOT_FOUND


@pytest.mark.parametrize(
    ("prefix", "names", "specs", "message"),
    [
        ("f", ["x"], ["4 3 0,2:-"], "does not match the shape of the tensor to save"),
        ("f", ["x", "x'"], ["", ""], "Adding duplicate key: x"),
        ("f", ["x", "x'"], ["", "4 3 -:-"], "Adding duplicate key: x"),
        ("", ["x"], [""], "no name for a file"),
        ("f", ["x"], ["", ""], "Got 2 elements in shape_and_slices, but 1 expected"),
    ],
)
def test_what_cannot_be_saved(prefix: str, names: Sequence[str], specs: Sequence[str], message: str) -> None:
    error = failure(save, prefix, dict.fromkeys(names, X), specs)
    assert error.status == Status.INVALID_ARGUMENT
    assert message in error.message
    assert not list(Path().iterdir())


def test_one_folder_is_made_on_the_way() -> None:
    save("new/f", {"x": X})
    assert Path("new/f.index").exists()
    assert failure(save, "a/b/f", {"x": X}).status == Status.NOT_FOUND


def test_the_first_operations() -> None:
    g = GraphBuilder()
    g.Save("a", strings("x", "n"), [X, np.int32(3)], name="save")
    g.SaveSlices("b", strings("x"), strings("4 3 2,2:-"), [X[2:]], name="slices")
    run(g, targets=["save", "slices"])
    g = GraphBuilder()
    g.Restore("a", "n", dt="int32", name="n")
    g.RestoreSlice("a", "x", "4 3 -:0,1", dt="float", name="column")
    n, column = run(g, ["n", "column"])
    assert n == 3
    assert np.array_equal(column, X[:, :1])
    g.Restore("a", "nn", dt="int32", name="missing")
    error = failure(run, g, ["missing"])
    assert (error.status, error.hint) == (Status.NOT_FOUND, "did you mean 'n'?")
    g.Restore("a", "n", dt="float", name="other")
    assert failure(run, g, ["other"]).status == Status.INVALID_ARGUMENT


def test_slices_out_of_several_files() -> None:
    for shard, rows in enumerate((slice(0, 1), slice(1, 4))):
        g = GraphBuilder()
        name = g.ShardedFilename("m", shard, 2)
        g.SaveSlices(
            name, strings("x"), strings(f"4 3 {rows.start},{rows.stop - rows.start}:-"), [X[rows]], name="s"
        )
        run(g, targets=["s"])
    g = GraphBuilder()
    files = g.ShardedFilespec("m", 2, name="files")
    g.Restore(files, "x", dt="float", name="x")
    g.RestoreSlice(files, "x", "4 3 0,3:1,1", dt="float", name="part")
    named, x, part = run(g, ["files", "x", "part"])
    assert named[()] == b"m-?????-of-00002"
    assert np.array_equal(x, X)
    assert np.array_equal(part, X[:3, 1:2])
    Path("m-00000-of-00002.index").unlink()
    assert failure(run, g, ["x"]).status == Status.INVALID_ARGUMENT


def merge(prefixes: Sequence[str], destination: str, **attrs: bool) -> None:
    g = GraphBuilder()
    g.MergeV2Checkpoints(strings(*prefixes), destination, name="merge", **attrs)
    run(g, targets=["merge"])


@BOTH
def test_shards_become_one(name: str) -> None:
    parts = [f"{name}_temp/part-{i:05d}-of-00002" for i in range(2)]
    save(parts[0], {"x": X[:2], "a": X}, ["4 3 0,2:-", ""])
    save(parts[1], {"x": X[2:], "b": X}, ["4 3 2,2:-", ""])
    merge(parts, name)
    assert not Path(f"{name}_temp").exists()
    with open_checkpoint(name) as reader:
        assert list(reader.entries) == ["a", "b", "x"]
    for value in restore(name, ["x", "a", "b"], ["float"] * 3):
        assert np.array_equal(value, X)


@BOTH
def test_a_shard_is_missing(name: str) -> None:
    save("one", {"x": X})
    error = failure(merge, ["one", "two"], name)
    assert error.status == Status.INVALID_ARGUMENT
    assert "allow_missing_files" in error.message
    merge(["one", "two"], name, allow_missing_files=True)
    assert np.array_equal(restore(name, ["x"], ["float"])[0], X)
    assert (
        failure(
            merge,
            ["three"],
            name,
        ).status
        == Status.INVALID_ARGUMENT
    )


def test_a_state_is_restored_by_the_names_of_its_variables() -> None:
    g = GraphBuilder()
    w = g.VariableV2(shape=[4, 3], dtype="float", name="net/w")
    g.Assign(w, X, name="init")
    with tfg.Session(g.graph()) as session:
        session.run(targets=["init"])
        session.save("state.h5")
    assert np.array_equal(restore("state.h5", ["net/w"], ["float"])[0], X)


@pytest.mark.parametrize("by_handle", [False, True])
@BOTH
def test_variables_through_nodes(name: str, by_handle: bool) -> None:
    g = GraphBuilder()
    if by_handle:
        w = g.VarHandleOp(shape=[4, 3], dtype="float", shared_name="w", name="w")
        value, assign = g.ReadVariableOp(w, dtype="float", name="y"), "AssignVariableOp"
    else:
        w = g.VariableV2(shape=[4, 3], dtype="float", name="w")
        value, assign = g.Identity(w, name="y"), "Assign"
    g.add_op(assign, w, g.constant(X), name="init")
    g.SaveV2(name, strings("w"), strings(""), [value if by_handle else w], name="save")
    (found,) = g.RestoreV2(name, strings("w"), strings(""), dtypes=["float"])
    g.add_op(assign, w, found, name="restore")
    with tfg.Session(g.graph()) as session:
        session.run(targets=["init"])
        session.run(targets=["save"])
        assert not session.plan(targets=["save"]).changes_state
        assert session.plan(targets=["restore"]).changes_state
    with tfg.Session(g.graph()) as session:
        session.run(targets=["restore"])
        assert np.array_equal(session.run(["y"])[0], X)


def test_names_of_shards() -> None:
    g = GraphBuilder()
    g.ShardedFilename("base", 1, 5, name="a")
    g.ShardedFilename("base", 123456, 200000, name="b")
    a, b = run(g, ["a", "b"])
    assert (a[()], b[()]) == (b"base-00001-of-00005", b"base-123456-of-200000")
    assert not registry.get("ShardedFilename").stateful
