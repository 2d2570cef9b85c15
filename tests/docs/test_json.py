"""``docs/json.md`` has every field that any command prints with ``--json``, and no other."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.records.record_file import framed

from tests.runtime.models import meta_graph, saved_model

from ..cli.command import run_tfg, strict_json
from .markdown import DOCS, ROOT, sections, table_rows

PAGE = (DOCS / "json.md").read_text(encoding="utf-8")
SECTIONS = {name: body for level in (2, 3, 4) for name, body in sections(PAGE, level).items()}
_LINK = re.compile(r"\[(.+?)\]\(#.+?\)")
_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}

Fields = dict[str, set[str]]

# Objects that several documents have, and the document in which each must have all of its types.
HOMES = {
    "diagnostic": "error",
    "tensor": "tfg show",
    "signature tensor": "tfg show",
    "checkpoint": "tfg checkpoint list",
    "transfer": "manifest.json",
}


class Page:
    """The fields that a section of the page lists, each with its types. The fields of a shared object stand below its
    name, as ``<diagnostic>.status``; ``links`` has the fields that are such objects."""

    def __init__(self, *names: str) -> None:
        self.fields: Fields = defaultdict(set)
        self.links: dict[str, str] = {}
        for name in names:
            self._read(name, "")

    def _read(self, section: str, prefix: str) -> None:
        text = re.split(r"^#", SECTIONS[section], maxsplit=1, flags=re.MULTILINE)[0]
        for cell, types, _ in table_rows(text):
            path = prefix + cell.strip("`")
            for place in re.finditer(r"\[\]|\.", path):
                self._holder(path[: place.start()], place[0])
            link = _LINK.fullmatch(types)
            self.fields[path] |= {"object"} if link else set(types.split(" or "))
            if link:
                self.links[path] = f"<{link[1]}>"
                if f"<{link[1]}>" not in self.fields:
                    self.fields[f"<{link[1]}>"] = {"object"}
                    self._read(link[1], f"<{link[1]}>.")

    def _holder(self, path: str, mark: str) -> None:
        if not self.fields[path]:
            self.fields[path].add("array" if mark == "[]" else "object")

    def required(self, section: str) -> Fields:
        """The fields that the documents of a section must have between them, with these types."""
        homes = {f"<{name}>" for name, home in HOMES.items() if home == section}
        return {
            path: types
            for path, types in self.fields.items()
            if path not in self.links.values()
            and (not path.startswith("<") or path.partition(".")[0] in homes)
        }


class Seen:
    """The fields of documents, each with its types, as the page calls them."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.fields: Fields = defaultdict(set)

    def add(self, value: Any, path: str = "") -> None:
        types = self.page.fields.get(path, set())
        if "value" in types and value is not None:
            self.fields[path].add("value")
            return
        if path:
            self.fields[path].add(self.kind(value, types))
        path = self.page.links.get(path, path)
        if isinstance(value, dict):
            start = f"{path}." if path else ""
            free = f"{start}*" in self.page.fields
            for key, item in value.items():
                self.add(item, f"{start}*" if free else f"{start}{key}")
        elif isinstance(value, list):
            for item in value:
                self.add(item, f"{path}[]")

    @staticmethod
    def kind(value: Any, types: set[str]) -> str:
        if value is None:
            return "null"
        found = _KINDS[type(value)]
        return "number" if found == "integer" and "integer" not in types else found

    def check(self, section: str) -> None:
        """Fails for fields and types that only the documents or only the page has."""
        known = self.page.fields
        unknown = {path: kinds - known.get(path, set()) for path, kinds in self.fields.items()}
        assert not {path: kinds for path, kinds in unknown.items() if kinds}, "printed, but not on the page"
        required = self.page.required(section)
        absent = {path: kinds - self.fields.get(path, set()) for path, kinds in required.items()}
        assert not {path: kinds for path, kinds in absent.items() if kinds}, "on the page, but never printed"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs, states and checkpoints that between them have every kind of field."""
    monkeypatch.chdir(tmp_path)
    meta = meta_graph(serve=("x:0", "y:0"), other=("x:0", "z:0"))
    meta.signature_def["other"].outputs["out"].tensor_shape.Clear()
    meta.signature_def["other"].outputs["out"].tensor_shape.unknown_rank = True
    saved_model(Path("model"), meta)
    _graph().replace("graph.pbtxt")
    Path("empty.pbtxt").write_text("# nothing\n")
    Path("odd.pbtxt").write_text(
        'node { name: "y" op: "Neg" input: "z" }\nnode { name: "x" op: "VariableV2" }\n'
        'node { name: "w" op: "NoOp" attr { key: "hint" value { i: 1 } } }\n'
        'library { function { signature { name: "f" } node_def { name: "n" op: "CudnnRNN" } } }'
    )
    Path("strange.pbtxt").write_text('node { name: "f" op: "PyFunc" }')
    Path("wrong.pbtxt").write_text("node {")
    np.save("x.npy", np.zeros((3, 2), np.float32))
    swap = tfg.GraphBuilder()
    swap.Transpose(swap.placeholder("float", name="x"), [1, 0], name="y")
    tfg.save(swap.graph(), "swap.pbtxt")
    damaged = bytearray(framed(b"a") + framed(b"b"))
    damaged[12] ^= 1
    Path("records").write_bytes(damaged)
    records = tfg.GraphBuilder()
    records.RecordInput(file_pattern="records", batch_size=1, name="r")
    tfg.save(records.graph(), "records.pbtxt")
    tfg.save(_scattered(), "placed.pbtxt")
    waiting = tfg.GraphBuilder()
    waiting.Stage([np.float32(1)], shared_name="area", name="fill")
    waiting.Unstage(dtypes=["float"], shared_name="area", name="next")
    tfg.save(waiting.graph(), "waiting.pbtxt")
    for name, target in (("a.h5", "init"), ("b.h5", "init2"), ("small.h5", "few")):
        made = run_tfg("run", "graph.pbtxt", "--target", target, "--state", name, "--allow-nan")
        assert made.status == 0, made.err
    Path("tensorflow").mkdir()
    assert run_tfg("checkpoint", "graph.pbtxt", "--run", "init", "-o", "tensorflow/x").status == 0
    Path("bad.h5").write_bytes(b"no HDF5")
    Path("left.pbtxt").write_text(_sides("a", "Neg", "old", "flag", 1.0, "f"))
    Path("right.pbtxt").write_text(_sides("b", "Exp", "new", "sign", 2.0, "g"))
    files = tfg.GraphBuilder()
    files.function("Reading", lambda inner, name: inner.ReadFile(name), "string")
    files.StatefulPartitionedCall([files.constant("name")], f=Function("Reading"), Tout=["string"])
    files.ReadFile("name")
    for name in ("files.pbtxt", "files.pb"):
        tfg.save(files.graph(), name)
    for side, factor, word in (("a", 1.0, "one"), ("b", 2.0, "two")):
        tfg.save(_computing(factor, word), f"compared_{side}.pbtxt")
    for divisor in (0, 2):
        g = tfg.GraphBuilder()
        g.Neg(g.FloorDiv(np.int32(7), np.int32(divisor), name="quotient"), name="negative")
        tfg.save(g.graph(), f"divided_by_{divisor}.pbtxt")
    for name, number in (("one", 1), ("two", 2)):
        np.savez(f"{name}.npz", n=np.int32(number), sized=np.zeros(number))


def _sides(moved: str, op: str, only: str, attr: str, weight: float, function: str) -> str:
    """A graph with a node that is renamed, one that changes, one that only it has, a weight, a word and a function."""
    return (
        f'node {{ name: "{moved}" op: "NoOp" attr {{ key: "_same" value {{ i: 1 }} }} }}\n'
        f'node {{ name: "x" op: "{op}" }} node {{ name: "{only}" op: "{op}" }}\n'
        f'node {{ name: "y" op: "NoOp" attr {{ key: "_{attr}" value {{ i: 2 }} }} }}\n'
        f'node {{ name: "w" op: "Const" attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT '
        f"tensor_shape {{ dim {{ size: 1 }} }} float_val: {weight} }} }} }} }}\n"
        f'node {{ name: "s" op: "Const" attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING '
        f'tensor_shape {{ }} string_val: "{moved}" }} }} }} }}\n'
        f'library {{ function {{ signature {{ name: "{function}" }} }} }}'
    )


def _computing(factor: float, word: str) -> tfg.Graph:
    """A graph whose value, number and text depend on the arguments, and a branch that may not be taken."""
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [1], name="x")
    g.Mul(x, g.constant(np.float32(factor)), name="p")
    g.Identity(g.constant(np.int32(factor)), name="n")
    g.Identity(g.constant(word), name="t")
    _, taken = g.Switch(g.constant(1.0), g.placeholder("bool", [], name="c"), name="switch")
    g.Neg(taken, name="dead")
    return g.graph()


def _graph() -> Path:
    g = tfg.GraphBuilder()
    x = g.placeholder("float", [None, 2], name="x")
    g.placeholder("float", name="unknown")
    g.placeholder("float", [3], name="known")
    w = g.VariableV2(shape=[2], dtype="float", name="w")
    variables = [
        (w, [1.0, 2.0], [1.5, 2.0]),
        (g.VariableV2(shape=[], dtype="complex64", name="c"), 1 + 2j, 1 - 2j),
        (g.VariableV2(shape=[1], dtype="string", name="s"), ["a"], ["b"]),
        (g.VariableV2(shape=[2], dtype="float", name="n"), [np.nan, np.inf], [0.0, np.inf]),
        (g.VariableV2(shape=[], dtype="bool", name="flag"), True, False),
    ]
    for name, column in (("init", 1), ("init2", 2)):
        assigned = [g.Assign(row[0], g.constant(row[column], row[0].dtype)) for row in variables]
        g.group(*assigned, name=name)
    noise = g.RandomUniform([2], dtype="float", name="noise")
    g.group(g.Assign(w, noise), name="few")
    g.Sum(g.Mul(x, w), [0, 1], name="loss")
    g.function("Unused", lambda _, inner: inner, "float")
    path = Path("made.pbtxt")
    tfg.save(g.graph(), path)
    return path


def _scattered() -> tfg.Graph:
    """Sends a tensor of unknown rank, one with an open dimension, and random numbers, which the parts repeat."""
    g = tfg.GraphBuilder()
    with g.device(f"{TASK}/device:CPU:0"):
        inputs = [g.placeholder("float", name="any"), g.placeholder("float", [None], name="row")]
    with g.device(f"{TASK}/device:CPU:1"):
        for number, tensor in enumerate(inputs):
            g.Neg(tensor, name=f"out{number}")
    return g.graph()


TASK = "/job:localhost/replica:0/task:0"
MLP = str(ROOT / "samples" / "digits" / "mlp.pbtxt")

# The documents of each section: command lines, run in order.
COMMANDS: dict[str, tuple[str, ...]] = {
    "error": (
        "run graph.pbtxt --fetch los",
        "run odd.pbtxt --fetch x",
        "show wrong.pbtxt",
        "ops --nothing",
        "run waiting.pbtxt --fetch next",
    ),
    "tfg run": (
        "run graph.pbtxt --init init --fetch w --fetch c --fetch s --fetch n --fetch flag",
        "run graph.pbtxt --init init --fetch w --fetch c --steps 2 -o w.npz --profile",
        "run swap.pbtxt --feed x=@x.npy --batch 2 --fetch y -o y.npz",
        "run records.pbtxt --fetch r --skip-bad-records",
    ),
    "tfg validate": ("validate graph.pbtxt empty.pbtxt --shapes", "validate odd.pbtxt wrong.pbtxt none.pb"),
    "tfg show": ("show graph.pbtxt", "show model", "show empty.pbtxt"),
    "tfg show --layers": (f"show {MLP} --layers",),
    "tfg ops": ("ops", "ops Neg"),
    "tfg scan": (
        "scan files.pbtxt --deny files",
        "scan files.pb",
        f"scan {MLP} --fetch loss",
        "scan graph.pbtxt --target init",
        "scan strange.pbtxt",
    ),
    "tfg draw": (f"draw {MLP} -o m.svg",),
    "tfg convert": (f"convert {MLP} -o m.pb", "convert model -o plain.pbtxt"),
    "tfg bench": (f"bench {MLP} --steps 2 --batch 2 --against {MLP}", f"bench {MLP} --steps 2 --fetch loss"),
    "tfg simulate": (
        "simulate --compute 1s --workers 2,8 --backup 0:1 --measured 2=1s",
        f"simulate {MLP} --fetch loss --mtbf 10h --checkpoint-time 1s --backup 3",
    ),
    "tfg compare": (
        "compare compared_a.pbtxt compared_b.pbtxt --fetch p --fetch n --fetch t --feed x=[1]",
        "compare compared_a.pbtxt compared_a.pbtxt --fetch dead --feed c=false",
        "compare one.npz two.npz",
        "compare divided_by_0.pbtxt divided_by_2.pbtxt",
        "compare divided_by_2.pbtxt divided_by_0.pbtxt",
    ),
    "tfg diff": ("diff left.pbtxt right.pbtxt",),
    "tfg optimize": (f"optimize {MLP} --fetch accuracy -o fast.pbtxt",),
    "tfg grad": (
        "grad graph.pbtxt --loss loss -o grad.pbtxt",
        f"grad {MLP} --loss loss --optimizer adam -o t.pb",
    ),
    "tfg place": (
        f"place {MLP} --devices cpu:2 --algorithm all --explain",
        f"place {MLP} --devices cpu:2 --explain loss --pin hidden=/device:CPU:1 -o out.pbtxt",
        f"place {MLP} --devices cpu:2 --pin hidden=/device:CPU:7 --soft --algorithm quick",
    ),
    "tfg partition": (
        f"partition {MLP} --devices cpu:2 -o parts --prove",
        "partition placed.pbtxt -o others --wire bf16 --prove --feed any=1.3 --feed row=[1.3]",
    ),
    "tfg checkpoint": (
        "checkpoint graph.pbtxt --state a.h5 -o c.h5",
        "checkpoint graph.pbtxt --state small.h5 --allow-missing -o d.h5",
        "checkpoint graph.pbtxt --run init -o e.h5",
        "checkpoint model --state a.h5 --allow-missing -o f.h5",
    ),
    "tfg restore": (
        "restore graph.pbtxt a.h5 --state r.h5",
        "restore graph.pbtxt small.h5 --allow-missing --state r.h5",
        "restore model a.h5 --allow-missing --state s.h5",
        "restore graph.pbtxt tensorflow/x --state t.h5",
    ),
    "tfg checkpoint list": (
        "checkpoint list a.h5",
        "checkpoint list small.h5",
        "checkpoint list a.h5 bad.h5 none.h5",
        "checkpoint list tensorflow/x",
    ),
    "tfg checkpoint verify": ("checkpoint verify a.h5 bad.h5 none.h5",),
    "tfg checkpoint diff": (
        "checkpoint diff a.h5 b.h5",
        "checkpoint diff a.h5 small.h5",
        "checkpoint diff small.h5 a.h5",
        "checkpoint diff a.h5 a.h5",
    ),
    "tfg samples": ("samples", "samples copies"),
    "tfg help": ("help", "help json", "help run", "help --man"),
    "tfg completion": ("completion bash",),
}


def test_every_command_is_documented() -> None:
    from tfg.cli.main import COMMANDS as PROGRAM

    assert {f"tfg {name}" for name in PROGRAM} <= COMMANDS.keys()


@pytest.mark.parametrize("section", COMMANDS)
def test_a_document_has_the_fields_of_its_section(section: str) -> None:
    seen = Seen(Page("All documents", section))
    for line in COMMANDS[section]:
        outcome = run_tfg(*line.split(), "--json")
        for document in outcome.out.splitlines():
            seen.add(strict_json(document))
    seen.check(section)


def test_the_manifest_has_the_fields_of_its_section() -> None:
    seen = Seen(Page("manifest.json"))
    for line in (f"{MLP} --devices cpu:2 -o parts", "placed.pbtxt -o others --wire bf16"):
        outcome = run_tfg("partition", *line.split())
        assert outcome.status == 0, outcome.err
    for folder in ("parts", "others"):
        seen.add(json.loads((Path(folder) / "manifest.json").read_text()))
    seen.check("manifest.json")


def test_traces_have_the_fields_of_their_section() -> None:
    seen = Seen(Page("Trace files"))
    options = ["--devices", "cpu:2", "--trace", "t.json"]
    for line in (
        "run placed.pbtxt --feed any=1 --feed row=[1] --fetch out0 --fetch out1",
        "place placed.pbtxt",
    ):
        outcome = run_tfg(*line.split(), *options)
        assert outcome.status == 0, outcome.err
        seen.add(strict_json(Path("t.json").read_text()))
    seen.check("Trace files")


def test_show_and_list_say_the_same_of_a_checkpoint() -> None:
    shown, listed = (run_tfg(*line.split(), "a.h5", "--json").json for line in ("show", "checkpoint list"))
    assert shown == {"version": 1, **listed["files"][0]}
