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
        case("DecodeBase64", np.array(text), error="INVALID_ARGUMENT: is not base64")
        for text in ("//77", "Y", "Y===", "Y Q", "YQ=", "=", "YQ==YQ==")
    ),
    case("DecodeBase64", np.array("YR")),
    *(
        case("DecodeRaw", SIXTEEN, out_type=t, little_endian=little)
        for t in (*TYPES, "complex64", "complex128", "bool")
        for little in (True, False)
    ),
    case("DecodeRaw", np.array("abcd"), out_type="int16"),
    case("DecodeRaw", np.array("abc"), out_type="int16", error="INVALID_ARGUMENT: bytes are no multiple"),
    case("DecodeRaw", np.array(["ab", "a"]), out_type="uint8", error="INVALID_ARGUMENT: one length"),
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
    case("DecodePaddedRaw", np.array("abcdef"), i32(4), out_type="int16"),
    *(
        case(
            "DecodePaddedRaw",
            np.array("abcdef"),
            i32(n),
            out_type="int16",
            error="INVALID_ARGUMENT: positive and a multiple of the 2 bytes",
        )
        for n in (3, 0, -2)
    ),
    case(
        "DecodePaddedRaw",
        np.array("abcdef"),
        i32([4]),
        out_type="int16",
        error="INVALID_ARGUMENT: fixed_length must be a scalar",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
