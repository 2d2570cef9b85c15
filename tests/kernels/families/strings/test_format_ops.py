"""From numbers to text and back."""

from __future__ import annotations

import numpy as np

from ...harness import case, cast, f32, f64, i32, table_tests

NAN, INF = np.nan, np.inf
NUMBERS = [1.5, -2e10, INF, -INF, NAN, -NAN, 0.1, -0.0]
FORMS = (
    {},
    {"precision": 2},
    {"scientific": True},
    {"shortest": True},
    {"shortest": True, "precision": 20},
    *({"width": 10, "fill": fill} for fill in ("", "0", "-", "+", " ", "#")),
    {"fill": "0"},
)
# The forms among those that only numbers with a fraction have, and what is said of them for others.
OF_FRACTIONS = (
    ({"precision": 2}, "precision 2 is not for"),
    ({"scientific": True}, "scientific and shortest are not for"),
    ({"shortest": True}, "scientific and shortest are not for"),
    ({"shortest": True, "precision": 20}, "scientific and shortest are not for"),
    ({"scientific": True, "shortest": True}, "scientific and shortest are not for"),
)
REFUSED_FORMS = (
    ({"fill": "x"}, "fill is 'x'"),
    ({"fill": "00", "width": 4}, "fill is '00'"),
)
WITH_FRACTIONS = (
    f32(NUMBERS),
    cast("complex64", [1 - 2j]),
    np.array(["ab", "abcdefghijklm"]),
    cast("half", [1.5]),
)
WITHOUT_FRACTIONS = (i32([5, -3]), cast("uint8", [200]), np.array([True, False]))
FLOATS = (
    "1",
    "+1",
    " 1 ",
    "1e3",
    "inf",
    "-Inf",
    "nan",
    "0x10",
    "1.",
    "infinity",
    ".5",
    "1e400",
    "1e-400",
    "\t2\n",
    "-0",
)
NO_FLOATS = ("", "1_0", "1f", "--1", "1e", "0b1", "1 2", ".", "e1")
WHOLES = ("1", "+1", " -7\n", "0010", "2147483647", "-2147483648")
NO_WHOLES = ("", "1.5", "0x10", "1_0", "--1", "1 2")
TOO_LARGE = ("2147483648", "99999999999999999999999999")

CASES = [
    case("StringToNumber", np.array(FLOATS)),
    case("StringToNumber", np.array([FLOATS]), out_type="double"),
    *(
        case("StringToNumber", np.array(text), error="INVALID_ARGUMENT: is not a number")
        for text in NO_FLOATS
    ),
    case("StringToNumber", np.array(WHOLES), out_type="int32"),
    *(
        case("StringToNumber", np.array(text), out_type="int32", error="INVALID_ARGUMENT: is not a number")
        for text in NO_WHOLES
    ),
    *(
        case("StringToNumber", np.array(text), out_type="int32", error="INVALID_ARGUMENT: is out of range")
        for text in TOO_LARGE
    ),
    case("StringToNumber", np.array(["-9223372036854775808", "9223372036854775807"]), out_type="int64"),
    case("StringToNumber", np.array("18446744073709551615"), out_type="uint64"),
    case("StringToNumber", np.array(["4294967295", "0"]), out_type="uint32"),
    case("StringToNumber", np.array("-1"), out_type="uint32", error="INVALID_ARGUMENT: is not a number"),
    case("StringToNumber", np.array([], object), out_type="int32"),
    *(
        case("AsString", x, **form)
        for form in FORMS
        for x in (*WITH_FRACTIONS, *WITHOUT_FRACTIONS)
        if x.dtype.kind not in "iub" or form not in [f for f, _ in OF_FRACTIONS]
    ),
    *(
        case("AsString", x, **form, error=f"INVALID_ARGUMENT: {words}")
        for form, words in OF_FRACTIONS
        for x in WITHOUT_FRACTIONS
    ),
    *(
        case("AsString", x, **form, error=f"INVALID_ARGUMENT: {words}")
        for form, words in REFUSED_FORMS
        for x in (*WITH_FRACTIONS, *WITHOUT_FRACTIONS)
    ),
    *(
        case("AsString", x, scientific=True, shortest=True, error="INVALID_ARGUMENT: exclude each other")
        for x in WITH_FRACTIONS
    ),
    case("AsString", cast("bfloat16", [1.5, 0.1])),
    case("AsString", f64([1e20, 1 / 3])),
    case("AsString", cast("int8", -100)),
    case("AsString", cast("uint64", [2**64 - 1])),
    case("AsString", cast("int64", [[-(2**63)]]), width=25, fill="0"),
    case("AsString", i32([])),
    *(
        case("StringFormat", [x], template="v=%s;", summarize=limit)
        for limit in (3, -1, 1, 0)
        for x in (
            f32(1.5),
            np.arange(7),
            f64(np.arange(8) / 3),
            np.arange(12).reshape(3, 4),
            np.arange(24).reshape(2, 3, 4),
            np.arange(64).reshape(8, 8),
            np.array(['a"\n', "é\\'"]),
            f32([0.1, 1 / 3, 1e7, 16777216, 1e-5, NAN, INF]),
            cast("half", [0.1]),
            cast("bfloat16", [0.1]),
            np.zeros((0, 2)),
            np.zeros((2, 0)),
        )
    ),
    case("StringFormat", [np.array([True, False, True]), cast("complex64", [1])], template="%s %s"),
    case("StringFormat", [i32(1), np.array("x")], template="{} and {}!", placeholder="{}"),
    case(
        "StringFormat",
        [i32(1)],
        template="{} and {}",
        placeholder="{}",
        error="INVALID_ARGUMENT: placeholders",
    ),
    case("StringFormat", [i32(1)], template="none", error="INVALID_ARGUMENT: placeholders"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
