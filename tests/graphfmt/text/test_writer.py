"""Writing graph text."""

from __future__ import annotations

import math

import pytest
from tfg.graphfmt import dtypes
from tfg.graphfmt.attributes import AttrValue
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph, Node, Versions
from tfg.graphfmt.shapes import Shape
from tfg.graphfmt.text.reader import read_graph
from tfg.graphfmt.text.writer import float_text, quoted, quoted_bytes, write_graph


def test_layout() -> None:
    attrs: dict[str, AttrValue] = {
        "shape": Shape((None, 0), ("n", "")),
        "dtype": dtypes.float32,
        "b": True,
        "i": (),
    }
    graph = Graph((Node("a", "Placeholder", ("^b",), attrs, "/cpu:0"),), versions=Versions(22))
    assert (
        write_graph(graph)
        == """node {
  name: "a"
  op: "Placeholder"
  input: "^b"
  device: "/cpu:0"
  attr {
    key: "b"
    value {
      b: true
    }
  }
  attr {
    key: "dtype"
    value {
      type: DT_FLOAT
    }
  }
  attr {
    key: "i"
    value {
      list {
      }
    }
  }
  attr {
    key: "shape"
    value {
      shape {
        dim {
          size: -1
          name: "n"
        }
        dim {
        }
      }
    }
  }
}
versions {
  producer: 22
}
"""
    )


def test_equal_values_of_other_kinds_are_told_apart() -> None:
    values: list[AttrValue] = [1, True, 1.0, 0.0, -0.0, 0, False, (1, 2), (True, False), (1.0, -0.0)]
    graph = Graph(tuple(Node(f"n{i}", "Op", attrs={"v": v}) for i, v in enumerate(values)))
    read = read_graph(write_graph(graph), "x")
    assert [repr(node.attrs["v"]) for node in read.nodes] == [repr(value) for value in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.10000000149011612, "0.1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (16777216.0, "16777216.0"),
        (3.4028234663852886e38, "3.4028235e+38"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_floats_are_short(value: float, text: str) -> None:
    assert float_text(value) == text


def test_strings() -> None:
    assert quoted("é/→") == '"é/→"'
    assert quoted('a"\\\n\x01') == '"a\\"\\\\\\n\\001"'
    assert quoted_bytes(b"a'\xff1") == '"a\\\'\\3771"'
    with pytest.raises(TfgError):
        quoted("\ud800")
