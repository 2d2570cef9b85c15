"""Effects of operations, as their declarations state them, found in graphs and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import tfg
from tfg.graphfmt.attributes import Function
from tfg.graphfmt.text.reader import read_graph
from tfg.kernels.core import registry
from tfg.runtime.scan.findings import Finding, Kind, find_effects

FAMILIES = Path(registry.__file__).parents[1] / "families"
# Functions of ``graphfmt`` that open files, and the calls of Python's own.
_OPENS = {"read_file", "write_file", "open_compressed", "glob"}


def found(g: tfg.GraphBuilder) -> list[Finding]:
    return find_effects(g.graph())


def summary(g: tfg.GraphBuilder) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(str(one.kind), one.node, tuple(one.names)) for one in found(g)]


def test_a_graph_that_only_computes_has_no_findings() -> None:
    g = tfg.GraphBuilder()
    g.Relu(g.MatMul(g.placeholder("float", [2, 2]), g.placeholder("float", [2, 2])))
    assert found(g) == []


def test_names_of_files_are_followed_to_constants_and_feeds() -> None:
    g = tfg.GraphBuilder()
    g.ReadFile(g.Identity(g.constant("/a/b")), name="constant")
    g.ReadFile(g.placeholder("string", [], name="p"), name="fed")
    g.WriteFile(g.StringJoin(["/tmp/", g.placeholder("string", [])]), "text", name="joined")
    reads = [one for one in found(g) if one.kind == Kind.READS]
    assert [(one.node, list(one.names)) for one in reads] == [("constant", ["/a/b"]), ("fed", [])]
    assert "fed to 'p'" in reads[1].detail
    assert ("writes", "joined", ("/tmp/…",)) in summary(g)


def test_printing_to_a_file_writes_it() -> None:
    g = tfg.GraphBuilder()
    g.PrintV2("a", output_stream="file:///tmp/log", name="to_file")
    g.PrintV2("a", output_stream="stderr", name="to_terminal")
    assert summary(g) == [
        ("writes", "to_file", ("/tmp/log",)),
        ("prints", "to_file", ()),
        ("prints", "to_terminal", ()),
    ]


def test_functions_that_are_called_are_looked_at_and_others_are_not() -> None:
    g = tfg.GraphBuilder()
    g.function("Called", lambda inner, name: inner.ReadFile(name), "string")
    g.function("Unused", lambda inner, name: inner.ReadFile(name), "string")
    g.StatefulPartitionedCall([g.constant("x")], f=Function("Called"), Tout=["string"])
    assert [(one.kind, one.function) for one in found(g)] == [(Kind.READS, "Called")]


def test_unknown_operations_aborts_clocks_waits_and_shared_state() -> None:
    text = 'node { name: "strange" op: "PyFunc" } node { name: "stop" op: "Abort" } node { name: "t" op: "Timestamp" }'
    text += ' node { name: "q" op: "FIFOQueueV2" attr { key: "shared_name" value { s: "jobs" } } }'
    text += ' node { name: "d" op: "QueueDequeueV2" input: "q" }'
    kinds = {one.node: (one.kind, tuple(one.names)) for one in find_effects(read_graph(text, "g.pbtxt"))}
    assert kinds == {
        "strange": (Kind.UNKNOWN, ()),
        "stop": (Kind.ABORTS, ()),
        "t": (Kind.ENVIRONMENT, ()),
        "q": (Kind.STATE, ("jobs",)),
        "d": (Kind.WAITS, ()),
    }


def test_values_for_other_tasks_are_network() -> None:
    text = ""
    for name, task in (("far", 1), ("near", 0)):
        devices = ["/job:w/replica:0/task:0/device:CPU:0", f"/job:w/replica:0/task:{task}/device:CPU:1"]
        ends = [
            f'attr {{ key: "{key}" value {{ s: "{device}" }} }}'
            for key, device in zip(("recv_device", "send_device"), devices)
        ]
        text += f'node {{ name: "{name}" op: "_Recv" {" ".join(ends)} }} '
    assert [(one.kind, one.node) for one in find_effects(read_graph(text, "g.pbtxt"))] == [
        (Kind.NETWORK, "far")
    ]


def _opening_families() -> list[str]:
    """The families whose module opens files itself, or imports a helper beside it that does."""
    return [
        name
        for name in registry.families()
        if any(_opens(path) for path in _with_helpers(FAMILIES / f"{name.replace('.', '/')}.py"))
    ]


def _with_helpers(path: Path) -> list[Path]:
    tree = ast.parse(path.read_text())
    beside = [
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
    ]
    helpers = [path.parent / f"{name}.py" for name in beside if not name.endswith("_ops")]
    return [path, *(helper for helper in helpers if helper.exists())]


def _opens(path: Path) -> bool:
    names = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and "files" in node.module + "record_file"
        for alias in node.names
    }
    return bool(names & _OPENS)


@pytest.mark.parametrize("family", _opening_families())
def test_a_family_that_opens_files_declares_it(family: str) -> None:
    registry.import_all()
    own = [op for op in registry.all_ops() if op.family == family]
    assert any(op.effects.touches_files for op in own)


def test_the_arguments_that_name_files_exist() -> None:
    for op in registry.all_ops():
        known = {arg.name for arg in op.signature.inputs} | set(op.signature.attr_index)
        assert known.issuperset((*op.effects.reads_files, *op.effects.writes_files)), op.name
