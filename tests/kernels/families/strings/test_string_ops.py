"""Strings joined, cut, measured and changed."""

from __future__ import annotations

import numpy as np

from ...harness import case, i32, i64, table_tests

GRID = np.array([["a", "b"], ["c", "d"]])
TEXT = np.array([" a  b c", "a,b,,c", "", "  "])
WORDS = np.array(["héllo", "中文", ""])

CASES = [
    case("StringJoin", [np.array("x"), np.array(["a", "b"])], separator="-"),
    case("StringJoin", [GRID, np.array("é"), GRID]),
    case("StringJoin", [np.array("x"), np.array("y")], separator=", "),
    case("StringJoin", [np.array("x")]),
    case(
        "StringJoin",
        [np.array(["a"]), np.array(["b", "c"])],
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    case("StringLength", WORDS),
    case("StringLength", WORDS, unit="UTF8_CHAR"),
    case("StringLength", np.array(b"\xff\x80a"), unit="UTF8_CHAR"),
    *(case("Substr", np.array("hello"), i32(p), i32(n)) for p, n in ((0, 3), (-2, 5), (5, 1), (1, -1))),
    *(
        case("Substr", np.array("hello"), i32(p), i32(1), error=f"INVALID_ARGUMENT: pos {p} is out of range")
        for p in (-6, 6)
    ),
    *(
        case("Substr", np.array("héllo"), i64(p), i64(n), unit="UTF8_CHAR")
        for p, n in ((1, 2), (-4, 2), (5, 2), (1, -2))
    ),
    case(
        "Substr",
        np.array("héllo"),
        i64(6),
        i64(1),
        unit="UTF8_CHAR",
        error="INVALID_ARGUMENT: pos 6 is out of range",
    ),
    case("Substr", np.array(["hello", "wor"]), i32([1, 0]), i32([2, 1])),
    case("Substr", np.array("hello"), i32([1, 0]), i32([2, 1])),
    case("Substr", np.array(["hello", "world"]), i32([[1], [2]]), i32([[2], [9]])),
    case("Substr", np.array(["hello"]), i32(1), i32([2]), error="INVALID_ARGUMENT: must be equal rank"),
    case(
        "Substr",
        np.array(["a", "b"]),
        i32([1, 0, 0]),
        i32([2, 1, 1]),
        error="INVALID_ARGUMENT: Dimensions must be equal",
    ),
    *(
        case(op, np.array(["ÀbC", "ß", "ǆ"]), encoding=e)
        for op in ("StringLower", "StringUpper")
        for e in ("", "utf-8")
    ),
    case("StringLower", np.array("A"), encoding="latin", error="INVALID_ARGUMENT: encoding"),
    case("StringStrip", np.array([" \t\n\v\f\r a b\0 ", "\xa0a"])),
    *(case("ReduceJoin", GRID, i32(axes), separator=".") for axes in (0, [1], [0, 1], [1, 0], [-1], [])),
    case("ReduceJoin", GRID, i32([[0], [1]]), separator=".", error="INVALID_ARGUMENT: a vector or a scalar"),
    case("ReduceJoin", GRID, i32([0]), keep_dims=True),
    case("ReduceJoin", GRID, i32([0, 1]), keep_dims=True, separator="--"),
    case("ReduceJoin", np.array("x"), i32([])),
    case("ReduceJoin", np.zeros((0, 2), object), i32(0)),
    case("ReduceJoin", GRID, i32([0, -2]), error="INVALID_ARGUMENT: is given twice"),
    case("ReduceJoin", GRID, i32([2]), error="OUT_OF_RANGE: invalid for shape"),
    *(
        case("StringSplitV2", TEXT, np.array(sep), maxsplit=n)
        for sep in ("", " ", ",", ",,")
        for n in (-1, 0, 1, 2)
    ),
    case("StringSplitV2", np.array("a b"), np.array(" "), error="INVALID_ARGUMENT: 'input' must be of rank"),
    case("StringSplitV2", np.array([], object), np.array(" ")),
    *(
        case("StringSplit", TEXT, np.array(sep), skip_empty=skip)
        for sep in ("", " ", ",", ", ")
        for skip in (True, False)
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
