"""Files that are wrong or hostile: one diagnostic, a status, and nothing else, soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ..cli.command import is_diagnostic, run_tfg, write
from ..cli.graphs import FLOAT, ONE, chain, const, dims, node, placeholder

AXIS = const("axis", "tensor_shape { } int_val: 0", "DT_INT32")


def neg(source: str) -> str:
    return ONE + node("a", "Neg", source, T=FLOAT)


BAD = {
    "nested text": 'node { name: "a" attr { value { ' + 'list { func { attr { key: "a" value { ' * 9999,
    "nested unknown fields": "a { " * 100_000,
    "nested shapes": 'node { attr { value { shape { ' + "dim { " * 100_000,
    "shape product overflows": const("a", f"tensor_shape {{ {dims(*[999_999_999] * 3)} }}"),
    "negative dimension": const("a", f"tensor_shape {{ {dims(-5)} }}"),
    "unknown dimension": const("a", f"tensor_shape {{ {dims(-1)} }}"),
    "few values, huge shape": const("a", f"tensor_shape {{ {dims(1 << 40)} }} float_val: 1 float_val: 2"),
    "more values than the shape": const("a", "tensor_shape { } float_val: 1 float_val: 2"),
    "short content": const("a", f'tensor_shape {{ {dims(4)} }} tensor_content: "abc"'),
    "list too long": ONE + node("a", "AddN", "one", N="i: 1000000000", T=FLOAT),
    "outputs too many": ONE + AXIS + node("a", "Split", "axis", "one", num_split="i: 1000000000", T=FLOAT),
    "list of a negative length": ONE + node("a", "AddN", "one", N="i: -1", T=FLOAT),
    "value of another dtype": node("a", "Const", dtype=FLOAT, value="tensor { dtype: DT_INT32 int_val: 1 }"),
    "values in another field": const("a", "tensor_shape { } int_val: 1"),
    "no such dtype": node("a", "Const", dtype=FLOAT, value="tensor { dtype: 999 }"),
    "invalid dtype without elements": const("a", f"tensor_shape {{ {dims(0)} }}", "DT_INVALID"),
    "reference dtype": node("a", "Placeholder", dtype="type: DT_FLOAT_REF"),
    "empty operation": node("a", ""),
    "unknown operation": node("a", "Placehoder", dtype=FLOAT),
    "empty function name": node("a", "Placeholder", dtype='func { name: "" }'),
    "missing attribute": node("a", "Placeholder"),
    "attribute of another kind": node("a", "Placeholder", dtype="i: 1"),
    "attribute without value": node("a", "Placeholder", dtype=""),
    "empty attribute name": node("a", "NoOp", **{"": "i: 1"}),
    "dtype that it does not take": ONE + node("a", "Cast", "one", SrcT="type: DT_STRING", DstT=FLOAT),
    "input of another dtype": AXIS + node("a", "Neg", "axis", T=FLOAT),
    "unknown input": neg("two"),
    "empty input": neg(""),
    "port out of range": neg("one:1"),
    "large port": neg("one:999999999"),
    "huge port": neg("one:99999999999999999999"),
    "negative port": neg("one:-1"),
    "port that is no number": neg("one:x"),
    "port left out": neg("one:"),
    "control input with a port": neg("one") .replace('input: "one"', 'input: "one" input: "^one:0"'),
    "control input before data": ONE + node("a", "Neg", "^one", "one", T=FLOAT),
    "too few inputs": node("a", "Neg", T=FLOAT),
    "too many inputs": ONE + node("a", "Neg", "one", "one", T=FLOAT),
    "its own input": node("a", "Neg", "a", T=FLOAT),
    "its own control input": node("a", "NoOp", "^a"),
    "cycle": node("a", "Neg", "b", T=FLOAT) + node("b", "Neg", "a", T=FLOAT),
    "same name twice": node("a", "NoOp") * 2,
    "name with a space": node("a b", "NoOp") + node("a", "NoOp"),
    "name that begins with an underscore": node("_a", "NoOp") + node("a", "NoOp"),
    "name in another script": node("é", "NoOp") + node("a", "NoOp"),
    "name with a zero byte": node("a\\000", "NoOp") + node("a", "NoOp"),
    "no name": node("", "NoOp") + node("a", "NoOp"),
    "later version": "versions { min_consumer: 99999 }" + node("a", "NoOp"),
    "version that is refused": "versions { bad_consumers: 2500 }" + node("a", "NoOp"),
    "unknown field": "nodes { }",
    "text that ends early": 'node { name: "a',
    "number out of range": node("a", "NoOp", _x="i: 99999999999999999999"),
    "matrix product of scalars": ONE + node("a", "MatMul", "one", "one", T=FLOAT),
}  # fmt: skip


@pytest.fixture
def bad(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return write(tmp_path, "bad.pbtxt", BAD[request.param])


@pytest.mark.parametrize("bad", BAD, indirect=True)
@pytest.mark.parametrize("options", [["validate"], ["run", "--target", "a"]], ids=["validate", "run"])
def test_a_graph_that_is_wrong_gets_one_diagnostic(bad: Path, options: list[str]) -> None:
    began = time.monotonic()
    outcome = run_tfg(*options, bad)
    assert time.monotonic() - began < 5
    assert outcome.status == 1
    status = outcome.err[len("error[") : outcome.err.index("]")]
    assert status in ("INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"), outcome.err
    assert is_diagnostic(outcome, status, "  --> ", "bad.pbtxt")
    assert max(map(len, outcome.err.splitlines())) < 300


@pytest.mark.parametrize("bad", BAD, indirect=True)
def test_grad_and_show_do_not_crash_on_it(bad: Path) -> None:
    assert run_tfg("grad", bad, "--loss", "a", "--wrt", "a", "-o", bad.with_name("out.pbtxt")).status == 1
    for command in (["grad", bad, "--loss", "a", "-o", bad.with_name("o.pbtxt")], ["show", bad]):
        outcome = run_tfg(*command)
        assert outcome.status in (0, 1)
        assert "INTERNAL" not in outcome.err
        assert "Traceback" not in outcome.err


CONTENTS = {
    "damaged.pb": (b"\xff" * 100, "DATA_LOSS"),
    "deep.pb": (b"\x0a\x7f" * 5000, "DATA_LOSS"),
    "latin1.pbtxt": (b'node { name: "\xe9" }', "INVALID_ARGUMENT"),
    "utf16.pbtxt": ("node { }".encode("utf-16"), "INVALID_ARGUMENT"),
    "damaged.meta": (b"\x00\xff\xff", "DATA_LOSS"),
    "json.txt": (b'{"node": []}', "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("options", [["validate"], ["run", "--target", "a"], ["show"]], ids=lambda o: o[0])
def test_a_file_that_is_no_graph(tmp_path: Path, name: str, options: list[str]) -> None:
    data, status = CONTENTS[name]
    (tmp_path / name).write_bytes(data)
    outcome = run_tfg(*options, tmp_path / name)
    assert outcome.status == 1
    assert is_diagnostic(outcome, status, name)


@pytest.mark.parametrize("name", ["g.pbtxt", "g.pb", "saved_model.pb", "g.meta"])
@pytest.mark.parametrize("data", [b'node { name: "a" op: "NoOp" }', b"\x0a\x09\x0a\x01a\x12\x04NoOp"])
def test_the_content_of_a_file_decides_and_not_its_name(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    outcome = run_tfg("validate", tmp_path / name)
    assert outcome.out.endswith("valid, 1 node\n")


@pytest.mark.parametrize("command", ["run", "validate", "show"])
def test_no_file_at_all(tmp_path: Path, command: str) -> None:
    more = ["--target", "a"] if command == "run" else []
    assert is_diagnostic(run_tfg(command, tmp_path / "no.pbtxt", *more), "NOT_FOUND", "no such file")
    assert is_diagnostic(run_tfg(command, tmp_path, *more), "NOT_FOUND", "is not a SavedModel")
    assert is_diagnostic(run_tfg(command, "-", *more), "INVALID_ARGUMENT", "standard input is empty")
    assert run_tfg(command, "", *more).status == 1
    assert run_tfg(command, tmp_path / ("x" * 300), *more).status == 1
    assert run_tfg(command, "a\x00b", *more).status == 1


def test_what_a_terminal_would_obey_is_not_printed(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", node("a\\033]0;owned\\007\\nb", "NoOp\\033[31m", "^\\033[2J"))
    for command in ("validate", "show"):
        outcome = run_tfg(command, graph)
        printed = outcome.out + outcome.err
        assert "\x1b" not in printed.replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "")
        assert "\x07" not in printed


# Sizes. The bounds are generous, for a quadratic algorithm takes minutes.

MANY = 100_000


@pytest.fixture(scope="module")
def long_chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("chain"), "chain.pbtxt", chain(MANY))


def test_a_chain_of_a_hundred_thousand_nodes_runs(long_chain: Path) -> None:
    last = f"n{MANY - 1}"
    outcome = run_tfg("run", long_chain, "--feed", "n0=2.5", "--fetch", last, "--fetch", "n4")
    assert outcome.out == f"{last} = -2.5\nn4 = 2.5\n"


def test_a_chain_of_a_hundred_thousand_nodes_is_valid(long_chain: Path) -> None:
    assert run_tfg("validate", long_chain).out == f"{long_chain}: valid, {MANY} nodes\n"


def test_a_long_chain_has_a_gradient(tmp_path: Path) -> None:
    graph = write(tmp_path, "g.pbtxt", chain(20_000))
    assert run_tfg("grad", graph, "--loss", "n19999", "--wrt", "n0", "-o", tmp_path / "o.pb").status == 0
    outcome = run_tfg("run", tmp_path / "o.pb", "--feed", "n0=1", "--fetch", "grad/n0")
    assert outcome.out == "grad/n0 = -1.0\n"


def soon(seconds: float, *arguments: str | Path) -> str:
    """Standard error of a command that fails within that time."""
    began = time.monotonic()
    outcome = run_tfg(*arguments)
    assert time.monotonic() - began < seconds
    assert outcome.status == 1
    return outcome.err


@pytest.mark.parametrize(
    "line",
    [
        lambda i: node(f"n{i}", "Neg", f"nothing{i}", T=FLOAT),
        lambda i: node(f"n{i}", f"Negg{i}", T=FLOAT),
        lambda i: node(f"n{i}", "Placeholder", dtype=f"i: {i}"),
    ],
    ids=["unknown inputs", "unknown operations", "attributes of another kind"],
)
def test_faults_by_the_thousand_are_all_told(tmp_path: Path, line: object) -> None:
    assert callable(line)
    graph = write(tmp_path, "g.pbtxt", [line(i) for i in range(3000)])
    err = soon(20, "validate", graph)
    assert err.count("error[") == 3000
    assert err.endswith("g.pbtxt: 3000 faults\n")


def test_a_cycle_of_many_nodes_is_shown_in_part(tmp_path: Path) -> None:
    size = 20_000
    lines = [node(f"n{i}", "Neg", f"n{(i + 1) % size}", T=FLOAT) for i in range(size)]
    graph = write(tmp_path, "g.pbtxt", lines)
    for command in (["validate", graph], ["run", graph, "--target", "n0"]):
        err = soon(20, *command)
        assert err.count("error[") == 1
        assert "cycle" in err
        assert max(map(len, err.splitlines())) < 300


def test_a_node_of_many_inputs(tmp_path: Path) -> None:
    size = 20_000
    text = placeholder("x", shape="") + node("a", "AddN", *["x"] * size, N=f"i: {size}", T=FLOAT)
    graph = write(tmp_path, "g.pbtxt", text)
    assert run_tfg("run", graph, "--feed", "x=1", "--fetch", "a").out == "a = 20000.0\n"
    assert run_tfg("grad", graph, "--loss", "a", "--wrt", "x", "-o", tmp_path / "o.pb").status == 0


FAULTY_FUNCTION = (
    ONE
    + """library { function { signature { name: "f" input_arg { name: "a" type: DT_FLOAT }
      output_arg { name: "r" type: DT_FLOAT } }
  node_def { name: "m" op: "MatMul" input: "a" input: "a"
    attr { key: "T" value { type: DT_FLOAT } } attr { key: "transpose_a" value { i: 3 } } }
  ret { key: "r" value: "m:product:0" } } }
"""
)


@pytest.mark.parametrize(
    "command",
    [
        "validate g.pbtxt",
        "show g.pbtxt",
        "grad g.pbtxt --loss one --wrt one -o o.pbtxt",
        "place g.pbtxt --devices cpu:2 -o o.pbtxt",
        "partition g.pbtxt --devices cpu:2 -o parts",
    ],
)
def test_a_fault_in_a_function_is_found_by_each_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "g.pbtxt", FAULTY_FUNCTION)
    done = run_tfg(*command.split())
    assert done.status == 1
    assert "error[INVALID_ARGUMENT]: attr 'transpose_a' must be of kind bool, not int" in done.err
    assert 'node "f/m"' in done.err and not (tmp_path / "o.pbtxt").exists()
