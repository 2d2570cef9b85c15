"""``tfg checkpoint``: what is written of a state, and how files are listed, verified and compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import tfg
from tfg.graphfmt.checkpoints.hdf5 import state_file
from tfg.graphfmt.checkpoints.hdf5.state_file import SavedState
from tfg.graphfmt.checkpoints.open import open_checkpoint

from .command import Outcome, is_diagnostic, matches_golden, run_tfg


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def state(training: Path) -> str:
    """A state of ``train.pbtxt`` after three steps."""
    outcome = run_tfg(
        "run", "train.pbtxt", "--state", "run.h5", "--init", "init", "--target", "train", "--steps", "3",
        "--feed", "x=@data.npz[x]", "--batch", "2",
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    return "run.h5"


def checkpoint(*args: str) -> Outcome:
    return run_tfg("checkpoint", *args)


def written(*args: str) -> Outcome:
    outcome = checkpoint("train.pbtxt", *args)
    assert (outcome.status, outcome.out) == (0, ""), outcome.err
    return outcome


# Writing.


def test_the_whole_state_goes_into_hdf5(state: str) -> None:
    outcome = written("--state", state, "-o", "all.h5")
    assert outcome.err == "all.h5: 2 tensors, 16 B, step 3\n"
    before, after = state_file.read(Path(state)), state_file.read(Path("all.h5"))
    assert before.notes == after.notes
    assert before.resources.keys() == after.resources.keys()
    assert checkpoint("diff", state, "all.h5").status == 0


def test_a_part_of_it(state: str) -> None:
    written("--state", state, "-o", "w.h5", "--only", "w")
    assert list(state_file.read(Path("w.h5")).resources) == [("", "Variable", "w")]


@pytest.mark.parametrize("name", ["half.h5", "half"])
def test_floats_in_16_bits(state: str, name: str) -> None:
    written("--state", state, "-o", name, "--as", "bfloat16")
    written("--state", state, "-o", "full.h5")
    assert run_tfg("restore", "train.pbtxt", name, "--state", "back.h5").status == 0
    assert checkpoint("diff", "back.h5", "full.h5", "--only", "count").status == 0
    assert checkpoint("diff", "back.h5", "full.h5", "--only", "w").status == 1
    assert checkpoint("diff", "back.h5", "full.h5", "--only", "w", "--rtol", "0.01").status == 0


@pytest.mark.parametrize("name", ["made.h5", "made"])
def test_a_number_too_large_for_16_bits(name: str) -> None:
    Path("one.pbtxt").write_text(
        'node { name: "a" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }\n'
        '  attr { key: "shape" value { shape { } } } }'
    )
    state_file.write(Path("one.h5"), SavedState({("", "Variable", "a"): {"value": np.float32(1e30)}}))
    outcome = run_tfg("checkpoint", "one.pbtxt", "--state", "one.h5", "-o", name, "--as", "half")
    assert outcome.status == 1
    assert "'a': 1.0000000150474662e+30 is too large for half\n  hint: use --as bfloat16" in outcome.err


def test_other_names_are_prefixes_of_bundles(state: str) -> None:
    outcome = written("--state", state, "-o", "model.ckpt")
    assert outcome.err.splitlines() == [
        "model.ckpt: 2 tensors, 16 B",
        "TensorFlow's format does not hold the step number and random counters; a .h5 file does",
    ]
    assert Path("model.ckpt.index").exists()
    with open_checkpoint("model.ckpt") as reader:
        assert list(reader.entries) == ["count", "w"]
    assert checkpoint("diff", state, "model.ckpt").status == 0


def test_a_bundle_becomes_hdf5(state: str) -> None:
    written("--state", state, "-o", "model")
    written("--state", "model", "-o", "model.h5")
    assert checkpoint("diff", "model", "model.h5").status == 0


def test_what_an_initialiser_leaves_behind(training: Path) -> None:
    outcome = written("--run", "init", "-o", "first.h5")
    assert "2 tensors" in outcome.err
    with open_checkpoint("first.h5") as reader:
        assert reader.read("count") == 0
    written("--run", "train", "--allow-missing", "--run", "init", "--feed", "x=[[1, 2]]", "-o", "fed.h5")


def test_compressed() -> None:
    g = tfg.GraphBuilder()
    g.Assign(
        g.VariableV2(shape=[1_000_000], dtype="float", name="v"), np.zeros(1_000_000, np.float32), name="init"
    )
    tfg.save(g.graph(), "zeros.pbtxt")
    for more in ([], ["--compress"]):
        assert checkpoint("zeros.pbtxt", "--run", "init", "-o", f"z{len(more)}.h5", *more).status == 0
    assert Path("z1.h5").stat().st_size < Path("z0.h5").stat().st_size / 2
    assert checkpoint("diff", "z0.h5", "z1.h5").status == 0


def test_as_json(state: str) -> None:
    found = checkpoint("train.pbtxt", "--state", state, "-o", "a.h5", "--json").json
    assert found == {
        "version": 1, "file": "a.h5", "count": 2, "bytes": 16, "step": 3, "missing": [], "unused": []
    }  # fmt: skip


def smaller_graph() -> None:
    g = tfg.GraphBuilder()
    g.VariableV2(shape=[2], dtype="float", name="w")
    g.VariableV2(shape=[], dtype="float", name="new")
    tfg.save(g.graph(), "other.pbtxt")


def test_the_state_of_another_graph(state: str) -> None:
    smaller_graph()
    outcome = checkpoint("other.pbtxt", "--state", state, "-o", "a.h5")
    assert is_diagnostic(
        outcome, "NOT_FOUND", "'run.h5' has no tensor for new (other.pbtxt:", "--allow-missing"
    )
    assert not Path("a.h5").exists()
    outcome = checkpoint("other.pbtxt", "--state", state, "-o", "a.h5", "--allow-missing")
    assert outcome.err.splitlines()[1:] == [
        "variables without a value: new",
        "tensors of run.h5 that the graph does not use: count",
    ]


@pytest.mark.parametrize(
    ("args", "status", "parts"),
    [
        ([], 2, ["INVALID_ARGUMENT", "Missing option '-o'".lower()]),
        (["-o", "a.h5"], 2, ["give either --state or --run"]),
        (["-o", "a.h5", "--state", "run.h5", "--run", "init"], 2, ["give either --state or --run"]),
        (["-o", "a.h5", "-o", "b.h5", "--state", "run.h5"], 2, ["-o is given twice: 'a.h5' and 'b.h5'"]),
        (["-o", "a.h5", "--state", "run.h5", "--feed", "x=1"], 2, ["--feed and --feeds need --run"]),
        (["-o", "a", "--state", "run.h5", "--compress"], 2, ["--compress needs a .h5 file", "-o a.h5"]),
        (["-o", "a.h5", "--state", "run.h5", "--as", "int8"], 2, ["int8"]),
        (["-o", "run.h5", "--state", "run.h5"], 2, ["'run.h5' is both an input and the output"]),
        (["-o", "train.pbtxt", "--state", "run.h5"], 2, ["'train.pbtxt' is both an input and the output"]),
        (["-o", "no/a.h5", "--state", "run.h5"], 1, ["NOT_FOUND", "no folder 'no'"]),
        (["-o", "no/a", "--state", "run.h5"], 1, ["NOT_FOUND", "no folder 'no'"]),
        (["-o", "a.h5", "--state", "none.h5"], 1, ["NOT_FOUND", "none.h5"]),
        (
            ["-o", "a.h5", "--state", "train.pbtxt"],
            1,
            ["INVALID_ARGUMENT", "train.pbtxt is a GraphDef, not a checkpoint"],
        ),
        (["-o", "a.h5", "--state", "run.h5", "--only", "v*"], 1, ["NOT_FOUND", "no variable called 'v*'"]),
        (["-o", "a.h5", "--run", "inti"], 1, ["NOT_FOUND", "did you mean 'init'?"]),
        (["-o", "a.h5", "--run", "train"], 1, ["INVALID_ARGUMENT", "x"]),
    ],
)
def test_wrong_command_lines(state: str, args: list[str], status: int, parts: list[str]) -> None:
    before = Path(state).read_bytes()
    outcome = checkpoint("train.pbtxt", *args)
    assert outcome.status == status, outcome.err
    assert outcome.err.count("error[") == 1
    for part in parts:
        assert part in outcome.err
    assert not Path("a.h5").exists()
    assert Path(state).read_bytes() == before


def test_a_graph_called_like_a_command(training: Path) -> None:
    shutil.copy(training, "list")
    assert checkpoint("./list", "--run", "init", "-o", "a.h5").status == 0
    assert checkpoint("list", "a.h5").out.startswith("a.h5: HDF5")


def test_help_tells_of_all_of_it() -> None:
    text = checkpoint("--help").out
    for part in ("--state FILE.h5", "-o, --output CKPT", "list ", "verify ", "diff "):
        assert part in text
    assert "tfg checkpoint list [OPTIONS] FILE..." in checkpoint("list", "--help").out
    assert "--rtol X" in checkpoint("diff", "-h").out
    assert is_diagnostic(checkpoint("list"), "INVALID_ARGUMENT", "tfg checkpoint list --help")


# Looking.


@pytest.fixture
def known(tmp_path: Path) -> str:
    """A checkpoint whose every number is known."""
    texts = np.empty(2, object)
    texts[:] = [b"a", b"long"]
    variables = {
        "hidden/w": np.array([[1, 2, 3], [4, 5, np.nan]], np.float32),
        "hidden/b": np.zeros(0, np.float32),
        "step": np.array(7, np.int64),
        "names": texts,
    }
    resources = {("", "Variable", name): {"value": array} for name, array in variables.items()}
    counter = {("", "Philox", "dropout"): {"state": np.array([1, 2], np.uint64)}}
    state_file.write(Path("known.h5"), state_file.SavedState({**resources, **counter}, {"step": 7}))
    return "known.h5"


def test_one_file_in_detail(known: str) -> None:
    outcome = checkpoint("list", known)
    assert (outcome.status, outcome.err) == (0, "")
    assert matches_golden("checkpoint-list.txt", outcome.out)
    assert run_tfg("show", known).out == outcome.out


def test_several_files_in_a_line_each(state: str, known: str) -> None:
    written("--state", state, "-o", "model")
    outcome = checkpoint("list", "run.h5", "model", "known.h5")
    assert matches_golden("checkpoint-lines.txt", outcome.out)
    assert "hidden/w" in checkpoint("list", "-v", "run.h5", "known.h5").out


def test_a_bad_file_hides_no_other(known: str) -> None:
    Path("bad.h5").write_bytes(Path(known).read_bytes()[:2000])
    outcome = checkpoint("list", "bad.h5", known)
    assert (outcome.status, "known.h5  HDF5" in outcome.out) == (1, True)
    assert is_diagnostic(outcome, "DATA_LOSS", "bad.h5")
    found = checkpoint("list", "bad.h5", known, "--json")
    assert [file["file"] for file in found.json["files"]] == [known]
    assert [(file["file"], file["error"]["status"]) for file in found.json["failed"]] == [
        ("bad.h5", "DATA_LOSS")
    ]


def test_files_as_json(known: str) -> None:
    (file,) = checkpoint("list", known, "--json").json["files"]
    assert {key: file[key] for key in ("file", "format", "step", "count", "parameters")} == {
        "file": "known.h5", "format": "HDF5", "step": 7, "count": 4, "parameters": 9
    }  # fmt: skip
    assert file["tensors"][2] == {
        "name": "names", "dtype": "string", "shape": [2], "bytes": None,
        "min": None, "max": None, "mean": None, "std": None, "nans": 0,
    }  # fmt: skip
    assert file["tensors"][1]["nans"] == 1
    assert file["others"] == [{"kind": "Philox", "name": "dropout"}]
    shown = run_tfg("show", known, "--json").json
    assert {key: shown[key] for key in file} == file


def damaged(path: str, *names: str) -> None:
    """Flips a bit of each of these datasets."""
    with h5py.File(path, locking=False) as file:
        places = [file[name].id.get_offset() for name in names]
    data = bytearray(Path(path).read_bytes())
    for place in places:
        data[place] ^= 1
    Path(path).write_bytes(data)


def test_every_dataset_that_does_not_verify_is_named(known: str) -> None:
    shutil.copy(known, "bad.h5")
    damaged("bad.h5", "hidden/w", "step")
    outcome = checkpoint("verify", known, "bad.h5", "none.h5")
    assert (outcome.status, outcome.out) == (1, "known.h5: verified, 4 tensors\n")
    for part in ("'/hidden/w'", "'/step'", "bad.h5: 2 faults", "none.h5: 1 fault"):
        assert part in outcome.err
    found = checkpoint("verify", known, "bad.h5", "none.h5", "--json").json
    assert [len(file["faults"]) for file in found["files"]] == [0, 2, 1]
    assert found["valid"] is False
    assert is_diagnostic(checkpoint("list", "bad.h5"), "DATA_LOSS", "hidden/w")


def test_a_damaged_bundle(state: str) -> None:
    written("--state", state, "-o", "model")
    assert checkpoint("verify", "model").out == "model: verified, 2 tensors\n"
    data = Path("model.data-00000-of-00001")
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    outcome = checkpoint("verify", "model")
    assert outcome.status == 1
    assert is_diagnostic(outcome, "DATA_LOSS", "does not match its checksum")


@pytest.mark.parametrize("size", [0, 7, 3000])
def test_a_file_cut_short(known: str, size: int) -> None:
    Path("short.h5").write_bytes(Path(known).read_bytes()[:size])
    for args in (["checkpoint", "verify"], ["checkpoint", "list"], ["show"]):
        assert is_diagnostic(run_tfg(*args, "short.h5"), "DATA_LOSS", "short.h5")


def test_another_programs_file() -> None:
    with h5py.File("other.h5", "w") as file:
        file["a"] = 1
    assert is_diagnostic(checkpoint("verify", "other.h5"), "INVALID_ARGUMENT", "not a state file of tfg")
    Path("text").write_text("hello")
    assert is_diagnostic(checkpoint("list", "text"), "DATA_LOSS")


def test_nothing_differs(known: str) -> None:
    outcome = checkpoint("diff", known, known)
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "no difference in 5 tensors\n")


def changed(known: str) -> str:
    before = state_file.read(Path(known))
    after = {key: dict(arrays) for key, arrays in before.resources.items()}
    after["", "Variable", "hidden/w"]["value"] = np.array([[1, 2, 3], [4, 5.5, 6]], np.float32)
    after["", "Variable", "hidden/b"]["value"] = np.zeros(1, np.float32)
    after["", "Variable", "step"]["value"] = np.array(7, np.int32)
    after["", "Philox", "dropout"]["state"] = np.array([1, 3], np.uint64)
    after["", "Variable", "added"] = {"value": np.ones(3)}
    del after["", "Variable", "names"]
    state_file.write(Path("changed.h5"), state_file.SavedState(after, before.notes))
    return "changed.h5"


def test_what_differs(known: str) -> None:
    outcome = checkpoint("diff", known, changed(known))
    assert (outcome.status, outcome.err) == (1, "")
    assert matches_golden("checkpoint-diff.txt", outcome.out)


def test_what_differs_as_json(known: str) -> None:
    outcome = checkpoint("diff", known, changed(known), "--json", "--only", "hidden/w", "--only", "names")
    assert outcome.status == 1
    assert outcome.json["equal"] is False
    assert outcome.json["differences"] == [
        {
            "name": "hidden/w", "how": "values",
            "a": {"dtype": "float", "shape": [2, 3]}, "b": {"dtype": "float", "shape": [2, 3]},
            "values": {
                "elements": 2, "at": [1, 2], "a": "NaN", "b": 6.0,
                "absolute": "Infinity", "relative": "Infinity",
            },
        },
        {"name": "names", "how": "only_a", "a": {"dtype": "string", "shape": [2]}, "b": None, "values": None},
    ]  # fmt: skip


def test_differences_that_do_not_matter(known: str) -> None:
    after = state_file.read(Path(known))
    resources = {k: dict(a) for k, a in after.resources.items()}
    resources["", "Variable", "hidden/w"]["value"] = resources["", "Variable", "hidden/w"]["value"] * 1.001
    state_file.write(Path("near.h5"), state_file.SavedState(resources, after.notes))
    assert checkpoint("diff", known, "near.h5").status == 1
    assert checkpoint("diff", known, "near.h5", "--rtol", "0.01").status == 0
    assert checkpoint("diff", known, "near.h5", "--atol", "0.01").status == 0
    assert checkpoint("diff", known, "near.h5", "--only", "step").status == 0


def test_wrong_comparisons(known: str) -> None:
    assert is_diagnostic(checkpoint("diff", known), "INVALID_ARGUMENT", "'B'")
    assert is_diagnostic(checkpoint("diff", known, "none.h5"), "NOT_FOUND", "none.h5")
    assert is_diagnostic(checkpoint("diff", known, known, "--rtol", "-1"), "INVALID_ARGUMENT")
    assert is_diagnostic(checkpoint("diff", known, known, "--rtol", "nan"), "INVALID_ARGUMENT")
    outcome = checkpoint("diff", known, known, "--only", "hiden/w")
    assert is_diagnostic(outcome, "NOT_FOUND", "did you mean 'hidden/w'?")
