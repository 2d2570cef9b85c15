"""Strings as bytes: base64, and numbers laid out in memory."""

from __future__ import annotations

import numpy as np

from ...harness import case, i32, table_tests

BYTES = np.array([b"", b"a", b"ab", b"abc", b"\xff\xfe\xfb"], object)
TYPES = ("half", "float", "double", "int32", "uint16", "uint8", "int16", "int8", "int64", "bfloat16")
SIXTEEN = np.array([[b"abcdefghijklmnop"], [b"\0\1\2\3\4\5\6\7\0\0\0\0\0\0\1\2"]], object)

CASES = [
    *(case("EncodeBase64", BYTES, pad=pad) for pad in (False, True)),
    case("DecodeBase64", np.array(["", "YQ", "YQ==", "YWI=", "YWI", "YWJj", "__77"])),
    *(
        case("DecodeBase64", np.array(text))
        for text in ("//77", "Y", "Y===", "Y Q", "YR", "YQ=", "=", "YQ==YQ==")
    ),
    *(
        case("DecodeRaw", SIXTEEN, out_type=t, little_endian=little)
        for t in (*TYPES, "complex64", "complex128", "bool")
        for little in (True, False)
    ),
    case("DecodeRaw", np.array("abcd"), out_type="int16"),
    case("DecodeRaw", np.array("abc"), out_type="int16"),
    case("DecodeRaw", np.array(["ab", "a"]), out_type="uint8"),
    case("DecodeRaw", np.array(["", ""]), out_type="int16"),
    case("DecodeRaw", np.array([], object), out_type="int16"),
    *(
        case(
            "DecodePaddedRaw",
            np.array(["abcdefghijklmnop", "a", ""]),
            i32(8),
            out_type=t,
            little_endian=little,
        )
        for t in TYPES[1:]
        for little in (True, False)
    ),
    *(case("DecodePaddedRaw", np.array("abcdef"), i32(n), out_type="int16") for n in (4, 3, 0, -2)),
    case("DecodePaddedRaw", np.array("abcdef"), i32([4]), out_type="int16"),
]

test_values, test_shapes, test_gradients = table_tests(CASES)
