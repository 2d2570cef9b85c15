"""Sequence examples: context and lists; sparse, dense and ragged; messages with missing and wrong features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tfg
from tfg.graphfmt.proto import example_pb2

from ...harness import case, f32, i64, table_tests
from .test_example_ops import text


def _fill(feature: Any, values: list[Any] | None) -> None:
    if values is None:
        return
    if values and isinstance(values[0], bytes):
        feature.bytes_list.value.extend(values)
    elif values and isinstance(values[0], float):
        feature.float_list.value.extend(values)
    else:
        feature.int64_list.value.extend(values)
        feature.int64_list.SetInParent()


def sequence(context: dict[str, list[Any]], lists: dict[str, list[list[Any] | None]]) -> bytes:
    """A serialized tf.SequenceExample; None is a feature without values of any kind."""
    message = example_pb2.SequenceExample()
    for key, values in context.items():
        _fill(message.context.feature[key], values)
    for key, steps in lists.items():
        # A list without steps is there all the same.
        _ = message.feature_lists.feature_list[key]
        for values in steps:
            _fill(message.feature_lists.feature_list[key].feature.add(), values)
    return message.SerializeToString(deterministic=True)


A = sequence(
    {"c": [1.0, 2.0], "s": [1, 2, 3]},
    {"d": [[1.0, 2.0], [3.0, 4.0]], "v": [[1], [2, 3], []], "w": [[b"x"], [b"y", b"z"]]},
)
B = sequence({"c": [3.0, 4.0], "s": []}, {"d": [[5.0, 6.0]], "v": []})
SHORT = sequence({"c": [1.0]}, {"e": [[1.0], [1.0, 2.0]]})
KINDLESS = sequence({}, {"n": [None, [1]], "d": []})
BARE = sequence({}, {})
NUL = np.zeros(0, np.float32)
NONE = text()


def first(
    serialized: Any, *, names: Any = NONE, cs: Any = (), cd: Any = (), defaults: Any = (), fs: Any = (), fd: Any = (),
    may_miss: Any = (), error: str | None = None,
) -> Any:  # fmt: skip
    """A row of ParseSequenceExample; features are (key, dtype) or (key, dtype, shape)."""
    return case(
        "ParseSequenceExample", serialized, names, list(defaults), **_attrs(cs, cd, fs, fd), error=error,
        feature_list_dense_missing_assumed_empty=list(may_miss), context_sparse_keys=[key for key, _ in cs],
        context_dense_keys=[f[0] for f in cd], feature_list_sparse_keys=[key for key, _ in fs],
        feature_list_dense_keys=[f[0] for f in fd], Ncontext_dense=len(cd),
    )  # fmt: skip


def _attrs(cs: Any, cd: Any, fs: Any, fd: Any) -> dict[str, Any]:
    return {
        "Ncontext_sparse": len(cs), "Nfeature_list_sparse": len(fs), "Nfeature_list_dense": len(fd),
        "context_sparse_types": [t for _, t in cs], "Tcontext_dense": [f[1] for f in cd],
        "context_dense_shapes": [f[2] for f in cd], "feature_list_sparse_types": [t for _, t in fs],
        "feature_list_dense_types": [f[1] for f in fd], "feature_list_dense_shapes": [f[2] for f in fd],
    }  # fmt: skip


def second(
    serialized: Any, *, cs: Any = (), cd: Any = (), defaults: Any = (), fs: Any = (), fd: Any = (), may_miss: Any = (),
    cr: Any = (), fr: Any = (), error: str | None = None,
) -> Any:  # fmt: skip
    """A row of ParseSequenceExampleV2; ragged features are (key, dtype, dtype of the splits)."""
    keys = [text(*[f[0].encode() for f in features]) for features in (cs, cd, cr, fs, fd, fr)]
    return case(
        "ParseSequenceExampleV2", serialized, NONE, *keys, np.array(may_miss, bool), list(defaults),
        **_attrs(cs, cd, fs, fd), context_ragged_value_types=[f[1] for f in cr],
        context_ragged_split_types=[f[2] for f in cr], feature_list_ragged_value_types=[f[1] for f in fr],
        feature_list_ragged_split_types=[f[2] for f in fr], error=error,
    )  # fmt: skip


def single(
    serialized: Any, *, name: bytes = b"", cs: Any = (), cd: Any = (), defaults: Any = (), fs: Any = (), fd: Any = (),
    may_miss: Any = NONE, error: str | None = None,
) -> Any:  # fmt: skip
    """A row of ParseSingleSequenceExample."""
    keys = [[np.array(f[0].encode(), object) for f in features] for features in (cs, cd, fs, fd)]
    return case(
        "ParseSingleSequenceExample", _scalar(serialized), may_miss, *keys, list(defaults), _scalar(name),
        **_attrs(cs, cd, fs, fd), Ncontext_dense=len(cd), error=error,
    )  # fmt: skip


def _scalar(data: bytes) -> Any:
    return np.array(data, object)


ALL: dict[str, Any] = {
    "cs": [("s", "int64")], "cd": [("c", "float", [2])], "fs": [("v", "int64")], "fd": [("d", "float", [2])],
}  # fmt: skip
RAGGED: dict[str, Any] = {
    "cr": [("s", "int64", "int32")], "fr": [("v", "int64", "int64"), ("w", "string", "int32")]
}  # fmt: skip
C2 = [("c", "float", [2])]
Q2 = [("q", "float", [2])]
INVALID = "INVALID_ARGUMENT"

CASES = [
    first(text(A, B), **ALL, defaults=[NUL]),
    first(text(A + B), **ALL, defaults=[NUL]),
    first(_scalar(A), **ALL, defaults=[NUL], error=f"{INVALID}: rank 1"),
    first(text(A), cs=[("c", "float")], cd=C2, defaults=[NUL], error=f"{INVALID}: cannot be both"),
    first(text(A), fs=[("d", "float")], fd=[("d", "float", [2])], error=f"{INVALID}: cannot be both"),
    first(text(), **ALL, defaults=[f32([7, 8])]),
    first(text(), **ALL, defaults=[NUL], error=f"{INVALID}: expected 2, but found 0"),
    first(text(A, B), cs=[("q", "int64")], fs=[("q", "string")]),
    first(text(B, B), fd=[("w", "string", [2, 3]), ("d", "float", [2])], may_miss=["w", "other"]),
    first(text(KINDLESS), fs=[("n", "int64")], fd=[("d", "float", [2])]),
    first(text(A, B), cd=Q2, defaults=[f32([7, 8])]),
    first(text(A, B), cd=Q2, defaults=[NUL], error=f"{INVALID}: expected 2, but found 0"),
    first(text(A, BARE), cd=C2, defaults=[NUL], error=f"{INVALID}: is required but could not be found"),
    first(text(A, SHORT), cd=C2, defaults=[NUL], error=f"{INVALID}: Unexpected number of elements in example"),
    first(text(SHORT), cd=C2, defaults=[f32([7, 8])], error=f"{INVALID}: Unexpected number of elements"),
    first(text(A), cd=[("c", "float", [3])], defaults=[NUL], error=f"{INVALID}: expected 3, but found 2"),
    first(text(A), cd=[("c", "float", [0])], defaults=[NUL], error=f"{INVALID}: expected 0, but found 2"),
    first(text(A), cd=C2, defaults=[f32(3)], error=f"{INVALID}: != context_dense_shapes[0] == [2]"),
    first(text(A), cd=[("s", "int64", [None])], defaults=[i64([])], error=f"{INVALID}: not fully defined"),
    first(text(A), cd=[("c", "int64", [2])], defaults=[i64([])], error=f"{INVALID}: Data types don't match"),
    first(text(A), fd=[("v", "int64", [])], error=f"{INVALID}: Key: v, Index: 1."),
    first(text(A), fd=[("d", "int64", [2])], error=f"{INVALID}: Feature list: d, Index: 0."),
    first(text(A), fs=[("d", "int64")], error=f"{INVALID}: Feature list: d, Index: 0."),
    first(text(A), fd=[("v", "int64", [None])], error=f"{INVALID}: not fully defined"),
    first(
        text(A, BARE), names=text(b"aa", b"bb"), fd=[("d", "float", [2])],
        error=f"{INVALID}: Name: bb, Feature list 'd' is required but could not be found",
    ),
    first(text(KINDLESS), fd=[("n", "int64", [1])], error=f"{INVALID}: Key: n, Index: 0."),
    first(text(A, B), names=text(b"a"), cs=[("s", "int64")], error=f"{INVALID}: example_names must be empty"),
    first(text(b"\x0a"), cs=[("s", "int64")], error=f"{INVALID}: Invalid protocol message input"),
    first(np.array([[A]], object), cs=[("s", "int64")], error=f"{INVALID}: rank 1"),
    second(text(A, B), **ALL, fr=[("w", "string", "int32")], defaults=[NUL], may_miss=[False]),
    second(text(A), **RAGGED, cs=[("s", "int64")], error=f"{INVALID}: cannot be both ragged and sparse"),
    second(text(), **RAGGED),
    second(text(A, BARE, B), **RAGGED),
    second(text(KINDLESS, A), fr=[("n", "int64", "int64")]),
    second(text(KINDLESS, BARE), fd=[("d", "float", [2])], may_miss=[True]),
    second(text(BARE), fd=[("d", "float", [2])], may_miss=[], error=f"{INVALID}: to match Nfeature_list_dense"),
    second(text(A), fr=[("w", "int64", "int64")], error=f"{INVALID}: Feature list: w, Index: 0."),
    second(text(A), cr=[("c", "int64", "int64")], error=f"{INVALID}: Context feature: c"),
    second(_scalar(A), **ALL, defaults=[NUL], may_miss=[False]),
    single(A, **ALL, defaults=[NUL]),
    single(BARE, fd=[("d", "float", [2])], may_miss=text(b"d", b"x")),
    single(BARE, fd=[("d", "float", [2])], may_miss=text(b"x"), error=f"{INVALID}: Feature list 'd' is required"),
    single(BARE, cd=Q2, defaults=[f32([1, 2])]),
    single(BARE, cs=[("q", "int64")], fs=[("q", "int64")]),
    single(KINDLESS, fs=[("n", "int64")]),
    single(SHORT, cd=C2, defaults=[NUL], error=f"{INVALID}: c"),
    single(A, cd=[("c", "int64", [2])], defaults=[i64([])], error=f"{INVALID}: Context feature: c"),
    single(A, fs=[("d", "int64")], error=f"{INVALID}: Data types don't match"),
    single(A, fd=[("v", "int64", [])], error=f"{INVALID}: Key: v, Index: 1."),
    single(b"\x0a", fs=[("d", "int64")], error=f"{INVALID}: ould not parse"),
]  # fmt: skip

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def test_the_splits_of_a_single_message_are_scalars() -> None:
    """TensorFlow leaves them uninitialized."""
    g = tfg.GraphBuilder()
    attrs = {
        "context_ragged_value_types": ["int64"], "context_ragged_split_types": ["int32"],
        "feature_list_ragged_value_types": ["int64"], "feature_list_ragged_split_types": ["int64"],
    }  # fmt: skip
    keys = [text(), text(), text(b"s"), text(), text(), text(b"v")]
    g.add_op("ParseSequenceExampleV2", _scalar(A), NONE, *keys, np.zeros(0, bool), [], **attrs, name="parsed")
    found = tfg.Session(g.graph()).run([f"parsed:{port}" for port in range(5)])
    assert [value.tolist() for value in found] == [[1, 2, 3], 0, [1, 2, 3], 0, [0, 1, 3, 3]]


def test_padding_beyond_memory_is_refused() -> None:
    g = tfg.GraphBuilder()
    attrs: dict[str, Any] = {"Nfeature_list_dense": 1, "feature_list_dense_types": ["float"]}
    data = text(sequence({}, {"d": []}), sequence({}, {"d": [[]] * 1000}))
    g.add_op(
        "ParseSequenceExample", data, NONE, [], feature_list_dense_keys=["d"], context_sparse_keys=[],
        context_dense_keys=[], feature_list_sparse_keys=[], feature_list_dense_missing_assumed_empty=[], **attrs,
        feature_list_dense_shapes=[[0, 1 << 60]], name="parsed",
    )  # fmt: skip
    with pytest.raises(tfg.TfgError):
        tfg.Session(g.graph()).run(["parsed:0"]) and pytest.fail("no error")
