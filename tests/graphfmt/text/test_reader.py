"""Reading graph text: forms, faults and where they stand, places within nodes, size."""

from __future__ import annotations

import math
import subprocess
import sys
import time

import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.attributes import Function, Placeholder
from tfg.graphfmt.errors import Status, TfgError
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.text.locations import find_in_node
from tfg.graphfmt.text.reader import read_graph

MLP = """# a comment
node {
  name: "x"
  op: "Placeholder"
  attr { key: "dtype" value { type: DT_FLOAT } }
  attr {
    key: "shape"
    value { shape { dim { size: -1 name: "batch" } dim { size: 4 } } }
  }
}
node {
  name: "y"
  op: "AddN"
  input: "x"
  input: "x:0"
  input: "^x"
  device: "/cpu:0"
}
versions { producer: 1882 bad_consumers: [1, 2] }
"""


def attr(text: str) -> object:
    """The value of an attribute, read in every layout there is a way for."""
    values = [
        read_graph(f'node {{ name: "a" {extra} attr {{ key: "k" value {{ {text} }} }} }}', "x")
        .nodes[0]
        .attrs["k"]
        for extra in ("", "# comment\n", "input: ['b']")
    ]
    assert values[:1] == values[1:2] == values[2:]
    return values[0]


def fault(text: str) -> TfgError:
    with pytest.raises(TfgError) as caught:
        read_graph(text, "g.pbtxt")
    assert caught.value.status is Status.INVALID_ARGUMENT
    return caught.value


def test_a_graph() -> None:
    graph = read_graph(MLP, "mlp.pbtxt")
    x, y = graph.nodes
    assert (x.name, x.op, x.inputs, x.device) == ("x", "Placeholder", (), "")
    assert x.attrs == {"dtype": dtypes.float32, "shape": Shape((None, 4), ("batch", ""))}
    assert (y.inputs, y.device) == (("x", "x:0", "^x"), "/cpu:0")
    assert graph.versions.producer == 1882 and graph.versions.bad_consumers == (1, 2)
    assert [MLP[n.offset :].split()[0] for n in graph.nodes] == ["node", "node"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("i: 5", 5),
        ("i: -0x1F", -31),
        ("i: 017", 15),
        ("f: 1.", 1.0),
        ("f: .5", 0.5),
        ("f: 1f", 1.0),
        ("f: 1.5F", 1.5),
        ("f: 0.1", 0.10000000149011612),
        ("f: 1e40", math.inf),
        ("f: -inf", -math.inf),
        ("f: -Infinity", -math.inf),
        ("f: nan", math.nan),
        ("f: -nan", math.nan),
        ("b: t", True),
        ("b: 1", True),
        ("b: False", False),
        ("type: DT_FLOAT_REF", dtypes.float32.ref),
        ("type: 3", dtypes.int32),
        ("type: DT_INVALID", dtypes.INVALID),
        (r's: "a\n\"\x41\101\u00e9\?"', 'a\n"AAé?'.encode()),
        (r"s: 'a\xf' \"\" \"b\"".replace('\\"', '"'), b"a\x0fb"),
        (r's: "\377\000"', b"\xff\x00"),
        ("shape { unknown_rank: true }", Shape(None)),
        ("shape: <dim: {size: 0}, dim {};>", Shape((0, 0))),
        ("list {}", ()),
        ("list { i: [1, 2] i: 3 }", (1, 2, 3)),
        ("list { i: 1 s: 'x' }", (b"x", 1)),
        ("func { name: 'f' attr { key: 'T' value { type: DT_INT32 } } }", Function("f", {"T": dtypes.int32})),
        ("placeholder: 'T'", Placeholder("T")),
        ("", None),
    ],
)
def test_values(text: str, value: object) -> None:
    found = attr(text)
    assert [found] == [value] and type(found) is type(value)


def test_map_entries_may_lack_parts_and_the_last_wins() -> None:
    text = 'attr { value { i: 1 } } attr { key: "a" } attr { key: "b" value { i: 1 } } attr { key: "b" }'
    assert read_graph(f"node {{ {text} }}", "x").nodes[0].attrs == {"": 1, "a": None, "b": None}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('node {\n  name: "a"', 2, 12, "expected '}' but found the end of the text"),
        ("node { }}", 1, 9, "expected a field of GraphDef or the end of the text but found '}'"),
        ('node {\n\tname "a"\n}', 2, 7, "expected ':' but found \"a\""),
        ("node { name: a }", 1, 14, "expected a string but found 'a'"),
        ('node { name: "abc }\n', 1, 14, "this string has no closing quote on its line"),
        ('node { name: "a" name: "b" }', 1, 18, "'name' is given twice"),
        ("node { input: ['a' b] }", 1, 20, "expected ',' or ']' but found 'b'"),
        ("node { name: ['a'] }", 1, 14, "expected one value, because 'name' is not repeated, but found '['"),
        ("node: 'x'", 1, 7, "expected '{' but found 'x'"),
        ("node < name: 'a' }", 1, 18, "expected a field of NodeDef or '>' but found '}'"),
        (r"node { name: '\q' }", 1, 14, r"unknown escape sequence \q"),
        (r"node { name: '\377' }", 1, 14, "expected UTF-8 text, but the string has the byte 0xff"),
        (
            "versions { producer: 3000000000 }",
            1,
            22,
            "'3000000000' is not between -2147483648 and 2147483647",
        ),
        ("versions {} versions {}", 1, 13, "'versions' is given twice"),
        ("node {\r\n  op: 1\r\n}", 2, 7, "expected a string but found '1'"),
        ('node { name: "é" op: 1 }', 1, 22, "expected a string but found '1'"),
        ('node { name: "\ud800" }', 1, 15, "the text has half of a UTF-16 surrogate pair"),
    ],
)
def test_faults_say_where(text: str, line: int, column: int, message: str) -> None:
    error = fault(text)
    assert error.message == message
    assert str(error.location) == f"g.pbtxt:{line}:{column}"


@pytest.mark.parametrize(
    ("value", "column", "message"),
    [
        ("i: x", 4, "expected an integer but found 'x'"),
        ("i: 1 f: 2", 6, "'f' cannot stand beside 'i': AttrValue holds one of them"),
        ("i: 0 i: 0", 6, "'i' is given twice"),
        ("b: yes", 4, "expected true or false but found 'yes'"),
        ("f: 01.5", 4, "expected a number but found 01.5, which looks octal"),
        ("f: - 1", 4, "expected a number but found '-'"),
        ("type: 77", -7, "77 is not a DataType"),
        (
            "shape { dim { size: -2 } }",
            1,
            "a dimension of size -2: only -1, for an unknown size, may be negative",
        ),
        ("shape { unknown_rank: true dim {} }", 1, "a shape of unknown rank cannot have dimensions"),
        ("list { i: [1, 2 3] }", 17, "expected ',' or ']' but found '3'"),
        ("list { shape: [{} {}] }", 19, "expected ',' or ']' but found '{'"),
        ("list { f: 1 f: 2 f: 3\n f: 4\n f: z\n }", None, "expected a number but found 'z'"),
    ],
)
def test_faults_in_attributes(value: str, column: int | None, message: str) -> None:
    before = 'node { attr { key: "k" value { '
    error = fault(f"{before}{value} }} }} }}")
    assert error.message == message
    assert error.location is not None
    if column is None:
        assert (error.location.line, error.location.column) == (3, 5)
    else:
        assert error.location.column == len(before) + column


def test_misspelt_names_are_mended() -> None:
    assert fault('node {\n  inptu: "a"\n}').hint == "did you mean 'input'?"
    error = fault('node { attr { key: "T" value { type: DT_FLOT } } }')
    assert (error.message, error.hint) == (
        "expected a value of DataType but found 'DT_FLOT'",
        "did you mean 'DT_FLOAT'?",
    )


@pytest.mark.parametrize(
    "text",
    [
        "node {" * 10_000,
        'node { attr { key: "x" value { list { ' + 'func { attr { key: "a" value { list { ' * 5_000,
        "node { experimental_type { " + "args { " * 10_000,
        'node { name: "a" attr { key: "x" value { ' + "tensor { variant_val { tensors { " * 50_000,
    ],
)
def test_depth_is_limited(text: str) -> None:
    start = time.process_time()
    fault(text)
    assert time.process_time() - start < 1


def test_deep_but_allowed() -> None:
    text = (
        'node { attr { key: "k" value { '
        + 'func { attr { key: "k" value { ' * 30
        + "i: 7"
        + "} } } " * 30
        + "} } }"
    )
    value = read_graph(text, "x").nodes[0].attrs["k"]
    for _ in range(30):
        assert isinstance(value, Function)
        value = value.attrs["k"]
    assert value == 7


@pytest.mark.parametrize(
    "node",
    [
        'node {{ name: "n{0}" op: "A" input: "n{1}" }}\n',
        'node {{\n  name: "n{0}" op: "A" input: "n{1}" }}\n',
        'node {{ name: "n{0}" op: "A" input: ["n{1}"] }} ',
        'node {{\n  name: "n{0}"\n  op: "A"\n  input: "n{1}"\n'
        '  attr {{\n    key: "i"\n    value {{\n      i: {0}\n    }}\n  }}\n}}\n',
    ],
)
def test_long_chains(node: str) -> None:
    count = 30_000
    start = time.process_time()
    graph = read_graph("".join(node.format(i + 1, i) for i in range(count)), "x")
    assert time.process_time() - start < 5
    assert len(graph.nodes) == count and graph.nodes[-1].inputs == (f"n{count - 1}",)


def test_places_in_a_node() -> None:
    text = (
        'node { name: "a" attr { key: "input" value { s: "input" } }\n'
        ' input: "x" input: ["y", "z" "z"] # input: "no"\n'
        ' input: "w"\n'
        ' attr: [{ value { func { attr { key: "deep" } } } key: "T" }] }\nnode { input: "other" }'
    )
    assert text[find_in_node(text, 0, input=0) :].startswith('input: "x"')
    assert text[find_in_node(text, 0, input=1) :].startswith('"y"')
    assert text[find_in_node(text, 0, input=2) :].startswith('"z" "z"')
    assert text[find_in_node(text, 0, input=3) :].startswith('input: "w"')
    assert find_in_node(text, 0, input=4) == 0
    assert text[find_in_node(text, 0, attr="input") :].startswith('attr { key: "input"')
    assert text[find_in_node(text, 0, attr="T") :].startswith("attr: [{")
    assert find_in_node(text, 0, attr="deep") == 0


def test_locations_reach_the_graph() -> None:
    graph = read_graph(MLP, "mlp.pbtxt")
    assert str(graph.locate("y")) == "mlp.pbtxt:11:1"
    assert str(graph.locate("y", input=1)) == "mlp.pbtxt:15:3"
    assert str(graph.locate("x", attr="shape")) == "mlp.pbtxt:6:3"


def test_reading_text_does_not_import_protobuf() -> None:
    code = (
        "import sys; from tfg.graphfmt.load import load; from tfg.graphfmt.text.reader import read_graph;"
        'read_graph(\'node { name: "a" op: "b" attr { key: "f" value { f: 1 } } }\', "x");'
        "sys.exit('google.protobuf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
