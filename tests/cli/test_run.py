"""``tfg run``: steps, batches, state and where values go."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tfg.runtime.execution.session import Session

from .command import Outcome, is_diagnostic, matches_golden, run_tfg, strict_json, write
from .graphs import FLOAT, ONE, const, dims, node, placeholder


def run(graph: Path, *options: str | Path, stdin: bytes | str = b"") -> Outcome:
    return run_tfg("run", graph, *options, stdin=stdin)


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    return outcome


# What is printed.

EVERYTHING = (
    placeholder("x", shape=dims(-1, 3))
    + const(
        "texts", f'tensor_shape {{ {dims(2)} }} string_val: "a" string_val: "\\303\\251\\377"', "DT_STRING"
    )
    + const("text", 'tensor_shape { } string_val: "hello"', "DT_STRING")
    + const("wide", f"tensor_shape {{ {dims(12)} }} double_val: 0.3333333333333333", "DT_DOUBLE")
    + const("many", f"tensor_shape {{ {dims(2000)} }} int_val: 7", "DT_INT32")
    + const("none", f"tensor_shape {{ {dims(0, 2)} }}")
    + const("half", "tensor_shape { } half_val: 15360", "DT_HALF")
    + const("brain", f"tensor_shape {{ {dims(2)} }} half_val: 16256", "DT_BFLOAT16")
    + const("complex", "tensor_shape { } scomplex_val: 1 scomplex_val: -2", "DT_COMPLEX64")
    + const("odd", f"tensor_shape {{ {dims(3)} }} float_val: nan float_val: inf float_val: -inf")
    + const("yes", "tensor_shape { } bool_val: true", "DT_BOOL")
)
NAMES = ["x", "texts", "text", "wide", "many", "none", "half", "brain", "complex", "odd", "yes"]


def fetched(graph: Path, *options: str | Path) -> Outcome:
    names = [part for name in NAMES[1:] for part in ("--fetch", name)]
    return succeeded(run(graph, *names, *options))


def test_values_are_printed_for_a_person(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", EVERYTHING)
    out = fetched(graph).out
    assert max(map(len, out.splitlines())) < 80
    assert matches_golden("values.txt", out)


def test_values_are_strict_json(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", EVERYTHING)
    document = fetched(graph, "--json").json
    assert document["version"] == 1
    assert document["step"] == 1
    assert document["values"]["odd"]["value"] == ["NaN", "Infinity", "-Infinity"]
    assert document["values"]["complex"] == {"dtype": "complex64", "shape": [], "value": [1.0, -2.0]}
    assert document["values"]["texts"]["value"] == ["a", "é\\xff"]
    del document["values"]["many"]
    assert matches_golden("values.json", json.dumps(document, indent=1) + "\n")


def test_a_name_fetched_twice_is_printed_twice(feeds_graph: Path) -> None:
    both = ("--fetch", "j", "--fetch", "j:0", "--fetch", "j", "--target", "j", "--target", "j")
    assert run(feeds_graph, *both, "--feed", "i=4").out == "j = 4\nj:0 = 4\nj = 4\n"


def test_a_target_alone_prints_nothing(feeds_graph: Path) -> None:
    assert succeeded(run(feeds_graph, "--target", "go", "--feed", "x=ones")).out == ""
    assert run(feeds_graph, "--target", "^go", "--feed", "x=ones", "--json").json["values"] == {}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "nothing to run"),
        (["--fetch", "x", "--feed", "x=1", "--batch", "2"], "--batch needs at least one feed"),
    ],
)
def test_commands_that_ask_for_nothing(feeds_graph: Path, options: list[str], why: str) -> None:
    outcome = run(feeds_graph, *options)
    assert outcome.status == 2
    assert why in outcome.err


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (["--fetch", "import/y:0"], "NOT_FOUND", "did you mean 'y'?"),
        (["--fetch", "Y"], "NOT_FOUND", "did you mean 'y'?"),
        (["--target", "goo"], "NOT_FOUND", "did you mean 'go'?"),
        (["--fetch", "go"], "INVALID_ARGUMENT", "add --target go"),
        (["--fetch", "^go"], "INVALID_ARGUMENT", "control output, which has no value"),
        (["--fetch", "y:1"], "INVALID_ARGUMENT", "node 'y' has 1 output\n"),
        (["--fetch", "y:-1"], "INVALID_ARGUMENT", "is not of the form"),
        (["--fetch", "y:99999999999999999999"], "INVALID_ARGUMENT", "is not of the form"),
        (["--fetch", "y:"], "INVALID_ARGUMENT", "is not of the form"),
        (["--fetch", ""], "INVALID_ARGUMENT", "is not of the form"),
        (["--fetch", "y"], "INVALID_ARGUMENT", "You must feed a value for placeholder tensor 'x'"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_asked_for(
    feeds_graph: Path, options: list[str], status: str, why: str, as_json: bool
) -> None:
    outcome = run(feeds_graph, *options, *(["--json"] * as_json))
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, why)
    assert not as_json or outcome.json["error"]["status"] == status


def test_a_kernel_that_fails_names_its_node_and_line(training: Path) -> None:
    outcome = run(training, "--fetch", "quotient", "--feed", "by=[1,0]")
    name_at = training.read_text().splitlines().index('  name: "quotient"')
    place = f"{training}:{name_at}:1"
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", f'  --> {place}  node "quotient"')
    outcome = run(training, "--fetch", "quotient", "--feed", "by=[1,2,3]")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "Incompatible shapes", 'node "quotient"')


def test_an_uninitialised_variable(training: Path) -> None:
    assert is_diagnostic(run(training, "--fetch", "w"), "FAILED_PRECONDITION", "uninitialized value w")


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", const("a", f"tensor_shape {{ {dims(1 << 50)} }} float_val: 1"))
    assert is_diagnostic(run(graph, "--fetch", "a"), "RESOURCE_EXHAUSTED", "values of a")


def test_a_graph_from_standard_input_is_text_or_binary(feeds_graph: Path, tmp_path: Path) -> None:
    import tfg

    tfg.save(tfg.load(feeds_graph), tmp_path / "g.pb")
    for data in (feeds_graph.read_bytes(), (tmp_path / "g.pb").read_bytes()):
        outcome = run_tfg("run", "-", "--fetch", "j", "--feed", "i=3", stdin=data)
        assert outcome.out == "j = 3\n"


def test_a_file_with_line_ends_of_two_characters(tmp_path: Path) -> None:
    (tmp_path / "g.pbtxt").write_bytes((ONE + node("a", "Neg", "one", T=FLOAT)).replace(" ", "\r\n").encode())
    assert run(tmp_path / "g.pbtxt", "--fetch", "a").out == "a = -1.0\n"


# Steps and batches.

X = ("--feed", "x=@data.npz[x]")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def means(outcome: Outcome) -> list[Any]:
    return [document["values"]["mean"]["value"] for document in succeeded(outcome).json_lines]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ([], 1),
        (["--steps", "3"], 3),
        (["--steps", "0"], 0),
        (["--batch", "3"], 4),
        (["--batch", "10"], 1),
        (["--batch", "99"], 1),
        (["--batch", "3", "--steps", "2"], 2),
        (["--batch", "3", "--steps", "9"], 9),
        (["--batch", "3", "--epochs", "2"], 8),
        (["--batch", "3", "--epochs", "0"], 0),
        (["--batch", "3", "--epochs", "2", "--steps", "5"], 5),
        (["--batch", "3", "--epochs", "2", "--steps", "50"], 8),
        (["--steps", "2", "--until-exhausted"], 2),
    ],
)
def test_how_many_steps(training: Path, options: list[str], steps: int) -> None:
    outcome = succeeded(run(training, "--fetch", "mean", *X, *options, "--json"))
    assert [document["step"] for document in outcome.json_lines] == list(range(1, steps + 1))


def test_batches_are_slices_epoch_after_epoch(training: Path) -> None:
    rows = np.load("data.npz")["x"]
    expected = [rows[i : i + 4].mean(0) for i in (0, 4, 8)] * 2
    found = means(run(training, "--fetch", "mean", *X, "--batch", "4", "--epochs", "2", "--json"))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_shuffled_batches_follow_the_seed(training: Path) -> None:
    def shuffled(*options: str) -> list[Any]:
        line = ("--fetch", "mean", *X, "--batch", "5", "--epochs", "2", "--shuffle", "--json")
        return means(run(training, *line, *options))

    first = shuffled()
    assert first == shuffled() == shuffled("--seed", "0")
    assert first != shuffled("--seed", "1")
    assert first[:2] != first[2:]
    whole = np.load("data.npz")["x"].mean(0)
    np.testing.assert_allclose(np.add(first[0], first[1]) / 2, whole, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (["--shuffle"], 2, "--shuffle needs --batch"),
        (["--epochs", "2"], 2, "--epochs needs --batch"),
        (["--batch", "0"], 2, "--batch"),
        (["--batch", "x"], 2, "--batch"),
        (["--steps", "-1"], 2, "--steps"),
        (["--epochs", "-1", "--batch", "2"], 2, "--epochs"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--batch", "2", "--feed", "by=@data.npz[by]"], 1, "x has 10, by has 7"),
        (["-o", "none/o.npz"], 1, "there is no folder"),
        (["-o", "o.txt"], 1, "cannot save values as '.txt'; known are .npz, .npy, .json, .h5"),
        (["-o", "o"], 1, "cannot save values as 'o'"),
        (["-o", "."], 2, "is a directory"),
        (["-o", "two.npy", "--fetch", "noise"], 1, "a .npy file holds one array, not 2"),
        (["--state", "none/s.h5"], 1, "there is no folder"),
        (["--trace", "none/t.json"], 1, "there is no folder"),
        (["--state", "x" * 300], 1, "is not a file name"),
        (["--state", "s.h5", "-o", "./s.h5"], 2, "two outputs have the same file name"),
    ],
)
def test_what_is_refused_before_anything_runs(
    training: Path, options: list[str], status: int, why: str
) -> None:
    before = sorted(Path().iterdir())
    outcome = run(training, "--fetch", "mean", *X, *options)
    assert outcome.status == status
    assert is_diagnostic(outcome, "INVALID_ARGUMENT" if "folder" not in why else "NOT_FOUND", why)
    assert outcome.out == ""
    assert sorted(Path().iterdir()) == before


def test_batches_need_a_file(training: Path) -> None:
    outcome = run(training, "--fetch", "mean", "--feed", "x=[[1,2]]", "--batch", "1")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "--batch needs at least one feed from a file")


def test_a_fixed_first_dimension_takes_a_shorter_last_batch_for_predictions(tmp_path: Path) -> None:
    np.save("x.npy", np.arange(5, dtype=np.float32))
    graph = write(tmp_path, "g.pbtxt", placeholder("x", shape=dims(2)) + node("y", "Neg", "x", T=FLOAT))
    outcome = succeeded(run(graph, "--fetch", "y", "--feed", "x=@x.npy", "--batch", "2", "--json"))
    assert [d["values"]["y"]["value"] for d in outcome.json_lines] == [[0, -1], [-2, -3], [-4]]
    outcome = run(graph, "--fetch", "y", "--feed", "x=@x.npy", "--batch", "3")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "Cannot feed value of shape [3]")


def test_a_step_that_takes_too_long(training: Path) -> None:
    outcome = run(training, "--fetch", "mean", *X, "--timeout", "0.0000001")
    assert is_diagnostic(outcome, "DEADLINE_EXCEEDED", "timeout")


# Where values go.


@pytest.mark.parametrize("suffix", [".npz", ".NPZ", ".npy", ".json", ".h5"])
@pytest.mark.parametrize(("steps", "shape"), [(1, (2,)), (3, (3, 2))])
def test_values_are_saved_in_every_format(
    training: Path, suffix: str, steps: int, shape: tuple[int, ...]
) -> None:
    out = Path(f"out{suffix}")
    outcome = succeeded(run(training, "--fetch", "mean", *X, "--steps", str(steps), "-o", out))
    assert outcome.out == ""
    expected = np.broadcast_to(np.load("data.npz")["x"].mean(0), shape)
    np.testing.assert_allclose(saved(out), expected, rtol=1e-6)


def saved(path: Path, name: str = "mean") -> Any:
    match path.suffix.lower():
        case ".npz":
            return np.load(path)[name]
        case ".npy":
            return np.load(path)
        case ".json":
            return np.array(strict_json(path.read_text())[name])
        case _:
            with h5py.File(path) as file:
                dataset: Any = file[name]
                return dataset[()]


def test_steps_of_several_shapes_are_saved_one_by_one(training: Path) -> None:
    perm = const("perm", f"tensor_shape {{ {dims(2)} }} int_val: 1 int_val: 0", "DT_INT32")
    swap = node("y", "Transpose", "x", "perm", T=FLOAT, Tperm="type: DT_INT32")
    g = write(Path(), "g.pbtxt", placeholder("x") + perm + swap)
    line = ("--fetch", "y", *X, "--batch", "4", "-o")
    succeeded(run(g, *line, "o.npz"))
    assert {n: a.shape for n, a in np.load("o.npz").items()} == {"y/1": (2, 4), "y/2": (2, 4), "y/3": (2, 2)}
    assert is_diagnostic(run(g, *line, "o.npy"), "INVALID_ARGUMENT", "[2,4] in one step and [2,2]", ".npz")


def test_saved_values_need_no_pickle(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", EVERYTHING)
    for suffix in (".npz", ".json", ".h5"):
        assert fetched(graph, "-o", f"o{suffix}").out == ""
    with np.load("o.npz", allow_pickle=False) as archive:
        assert archive["texts"].tolist() == [b"a", b"\xc3\xa9\xff"]
    assert saved(Path("o.json"), "odd").tolist() == ["NaN", "Infinity", "-Infinity"]


def test_saving_keeps_the_mode_and_follows_a_link(training: Path) -> None:
    Path("real.npz").touch(0o640)
    Path("o.npz").symlink_to("real.npz")
    succeeded(run(training, "--fetch", "mean", *X, "-o", "o.npz"))
    assert Path("o.npz").is_symlink()
    assert saved(Path("real.npz")).shape == (2,)
    assert stat.S_IMODE(Path("real.npz").stat().st_mode) == 0o640


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
@pytest.mark.parametrize("option", ["-o", "--state", "--trace"])
def test_a_folder_that_cannot_be_written(training: Path, option: str) -> None:
    target = {"-o": "/proc/o.npz", "--state": "/proc/s.h5", "--trace": "/proc/t.json"}[option]
    outcome = run(training, "--fetch", "mean", *X, option, target)
    assert outcome.status == 1
    assert is_diagnostic(outcome, "NOT_FOUND", "/proc/")


def test_a_saved_value_needs_a_fetch(training: Path) -> None:
    outcome = run(training, "--target", "mean", *X, "-o", "o.npz")
    assert outcome.status == 2
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", "add --fetch NAME")


def test_trace_and_profile_leave_standard_output_alone(training: Path) -> None:
    outcome = run(training, "--fetch", "mean", *X, "--steps", "3", "--profile", "--trace", "t.json")
    assert outcome.out.startswith("mean = ")
    assert "Mean" in outcome.err
    assert "Mean" in json.dumps(strict_json(Path("t.json").read_text()))


# State.

TRAIN = ("--init", "init", "--target", "train", "--fetch", "after", *X, "--batch", "3", "--shuffle")


def test_two_runs_of_ten_steps_are_one_of_twenty(training: Path) -> None:
    whole = succeeded(run(training, *TRAIN, "--steps", "20", "--state", "a.h5", "--json")).json_lines
    first = succeeded(run(training, *TRAIN, "--steps", "10", "--state", "b.h5", "--json")).json_lines
    second = succeeded(run(training, *TRAIN, "--steps", "10", "--state", "b.h5", "--json")).json_lines
    assert first + second == whole
    assert Path("a.h5").read_bytes() == Path("b.h5").read_bytes()


def test_one_step_at_a_time_is_the_same(training: Path) -> None:
    for _ in range(5):
        last = succeeded(run(training, *TRAIN, "--steps", "1", "--state", "b.h5")).out
    assert last == run(training, *TRAIN, "--steps", "5").out


def test_other_batches_begin_anew(training: Path) -> None:
    run(training, *TRAIN, "--steps", "3", "--state", "s.h5")
    line = ("--fetch", "mean", *X, "--batch", "5", "--steps", "1", "--json")
    assert means(run(training, *line, "--state", "s.h5")) == means(run(training, *line))


def test_looking_at_a_state_leaves_it_alone(training: Path) -> None:
    run(training, *TRAIN, "--steps", "3", "--state", "s.h5")
    before = Path("s.h5").read_bytes(), Path("s.h5").stat().st_mtime_ns
    assert succeeded(run(training, "--fetch", "count", "--state", "s.h5")).out == "count = 3\n"
    assert (Path("s.h5").read_bytes(), Path("s.h5").stat().st_mtime_ns) == before


def test_a_failed_run_leaves_the_state_alone(training: Path) -> None:
    run(training, *TRAIN, "--steps", "3", "--state", "s.h5")
    before = Path("s.h5").read_bytes()
    both = ("--target", "train", "--fetch", "quotient", *X, "--feed", "by=[0]", "--state", "s.h5")
    assert run(training, *both).status == 1
    assert Path("s.h5").read_bytes() == before
    assert sorted(p.name for p in Path().iterdir()) == ["data.npz", "s.h5", "train.pbtxt"]


def test_a_read_only_state_is_refused_before_the_steps(
    training: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(training, *TRAIN, "--steps", "1", "--state", "s.h5")
    Path("s.h5").chmod(0o444)
    monkeypatch.setattr(os, "access", lambda path, mode: not (mode & os.W_OK) or Path(path).name != "s.h5")
    assert succeeded(run(training, "--fetch", "count", "--state", "s.h5")).out == "count = 1\n"
    ran: list[int] = []
    monkeypatch.setattr(Session, "run", lambda *args, **kwargs: ran.append(1))
    outcome = run(training, *TRAIN, "--state", "s.h5")
    assert is_diagnostic(outcome, "PERMISSION_DENIED", "s.h5")
    assert ran == []


@pytest.mark.parametrize(
    ("dtype", "size", "why"),
    [
        ("DT_FLOAT", 3, "variable 'w' has shape [3], and cannot be assigned a value of shape [2]"),
        ("DT_DOUBLE", 2, "variable 'w' is double, but the saved value is float"),
    ],
)
def test_the_state_of_another_graph(training: Path, dtype: str, size: int, why: str) -> None:
    run(training, *TRAIN, "--steps", "1", "--state", "s.h5")
    variable = node("w", "VariableV2", dtype=f"type: {dtype}", shape=f"shape {{ {dims(size)} }}")
    other = write(Path(), "other.pbtxt", variable + node("y", "Identity", "w", T=f"type: {dtype}"))
    before = Path("s.h5").read_bytes()
    outcome = run(other, "--fetch", "y", "--state", "s.h5")
    assert is_diagnostic(outcome, "INVALID_ARGUMENT", why, 'node "w"')
    assert Path("s.h5").read_bytes() == before


def test_an_unknown_initialiser_is_told_of_even_where_there_is_a_state(training: Path) -> None:
    run(training, *TRAIN, "--steps", "1", "--state", "s.h5")
    for options in ([], ["--state", "s.h5"]):
        outcome = run(training, "--init", "int", "--fetch", "count", *options)
        assert is_diagnostic(outcome, "NOT_FOUND", "did you mean 'init'?")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_state_that_is_none(training: Path, content: bytes) -> None:
    Path("s.h5").write_bytes(content)
    outcome = run(training, *TRAIN, "--state", "s.h5")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "DATA_LOSS", "s.h5")
    assert Path("s.h5").read_bytes() == content
