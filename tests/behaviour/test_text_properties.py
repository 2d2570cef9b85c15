"""The text reader and writer against protobuf's own, on made-up graphs and damaged texts."""

from __future__ import annotations

import re
from random import Random

from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tfg.graphfmt.errors import TfgError
from tfg.graphfmt.graph import Graph
from tfg.graphfmt.proto import graph_pb2
from tfg.graphfmt.proto.binary import graph_from_bytes, graph_to_bytes
from tfg.graphfmt.text.reader import read_graph
from tfg.graphfmt.text.writer import write_graph

from ..graphfmt.messages import mutate, random_graph, relay

_checked = settings(
    derandomize=True, deadline=None, max_examples=60, database=None, suppress_health_check=list(HealthCheck)
)
_randoms = st.integers(0, 2**32).map(Random)

# Escapes where Python's protobuf is odd: it keeps unknown ones, and knows Python's own.
_ODD_ESCAPE = re.compile(r"""\\(?![abfnrtv\\'"]|[0-3]?[0-7]{1,2}|x[0-9a-fA-F])""")

_SMALL = """
node {
  name: "a"
  op: "Const"
  input: "x:1"
  input: "^y"
  device: "/cpu:0"
  attr {
    key: "dtype"
    value {
      type: DT_FLOAT
    }
  }
  attr {
    key: "value"
    value {
      tensor {
        dtype: DT_FLOAT
        tensor_shape {
          dim {
            size: 2
          }
        }
        float_val: 1.5
        float_val: -2
        float_val: 3
        float_val: 4
        float_val: 5
      }
    }
  }
  attr {
    key: "l"
    value {
      list {
        i: 1
        i: 2
        shape {
          dim {
            size: -1
          }
        }
      }
    }
  }
}
node {
  name: "b"
  op: "Add"
}
versions {
  producer: 22
}
"""


def _by_protobuf(text: str) -> Graph | None:
    """The graph as protobuf reads it, None where it or our binary reader refuses."""
    message = graph_pb2.GraphDef()
    try:
        text_format.Parse(text, message)
        return graph_from_bytes(message.SerializeToString(), "x")
    except (text_format.ParseError, TfgError, ValueError, RecursionError):
        return None


def _by_us(text: str) -> Graph | None:
    try:
        return read_graph(text, "x")
    except TfgError as error:
        assert error.location is not None and error.location.line > 0
        return None


@_checked
@given(_randoms)
def test_text_and_binary_give_the_same_graph(random: Random) -> None:
    message = random_graph(random)
    for as_utf8 in (False, True):
        text = text_format.MessageToString(message, as_utf8=as_utf8)
        assert read_graph(text, "x") == graph_from_bytes(message.SerializeToString(), "x")


@_checked
@given(_randoms)
def test_layout_does_not_matter(random: Random) -> None:
    text = text_format.MessageToString(random_graph(random))
    assert read_graph(relay(text, random), "x") == read_graph(text, "x")
    message = text_format.Parse(text, graph_pb2.GraphDef())
    dense = text_format.MessageToString(
        message, as_one_line=True, pointy_brackets=True, use_short_repeated_primitives=True
    )
    assert read_graph(dense, "x") == read_graph(text, "x")


@_checked
@given(_randoms)
def test_binary_round_trip_keeps_everything(random: Random) -> None:
    message = random_graph(random)
    data = graph_to_bytes(graph_from_bytes(message.SerializeToString(), "x"))
    # Compared as text, for a NaN is not equal to itself.
    assert text_format.MessageToString(graph_pb2.GraphDef.FromString(data)) == text_format.MessageToString(
        message
    )


@_checked
@given(_randoms)
def test_what_we_write_protobuf_reads(random: Random) -> None:
    message = random_graph(random)
    graph = graph_from_bytes(message.SerializeToString(), "x")
    text = write_graph(graph)
    read = text_format.Parse(text, graph_pb2.GraphDef())
    assert text_format.MessageToString(read) == text_format.MessageToString(message)
    assert read_graph(text, "x") == graph


@settings(_checked, max_examples=800)
@given(_randoms)
def test_damaged_texts_are_read_alike_or_refused_by_both(random: Random) -> None:
    text = _SMALL if random.random() < 0.7 else _nodes_of(text_format.MessageToString(random_graph(random)))
    damaged = mutate(text, random)
    if not _ODD_ESCAPE.search(damaged):
        assert _by_us(damaged) == _by_protobuf(damaged), damaged


def _nodes_of(text: str) -> str:
    """The first few nodes, for long texts are refused nearly always."""
    return text[: text.rfind("\nnode", 0, 3000) + 1] or text
