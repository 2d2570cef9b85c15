from __future__ import annotations

from typing import Any

import numpy as np

from ...harness import case, i32, i64, table_tests


def text(*items: bytes) -> Any:
    return np.array(items, object)


MIXED = text(b"ab", "é€😀".encode(), b"", b"a\xffb", b"\xe2\x82", b"\x01\x7f", b"\xed\xa0\x80x")
UTF8 = {"input_encoding": "UTF-8"}
STRICT = {"output_encoding": "UTF-8", "errors": "strict"}

CASES = [
    case("UnicodeDecode", MIXED, **UTF8),
    case("UnicodeDecode", MIXED, **UTF8, errors="ignore", Tsplits="int32"),
    case("UnicodeDecode", MIXED, **UTF8, replacement_char=63, replace_control_characters=True),
    case("UnicodeDecode", np.array("é".encode(), object), **UTF8),
    case("UnicodeDecode", text("é😀".encode("utf-16-be")), input_encoding="UTF-16-BE"),
    case("UnicodeDecode", text("é".encode("latin-1")), input_encoding="latin1"),
    case("UnicodeDecodeWithOffsets", MIXED, **UTF8),
    case("UnicodeDecodeWithOffsets", MIXED, **UTF8, errors="ignore"),
    case("UnicodeDecodeWithOffsets", text("é😀".encode("utf-16-be")), input_encoding="UTF-16-BE"),
    case("UnicodeTranscode", MIXED, **UTF8, output_encoding="UTF-8"),
    case("UnicodeTranscode", MIXED.reshape(7, 1), **UTF8, output_encoding="UTF-16-BE"),
    case("UnicodeTranscode", MIXED, **UTF8, output_encoding="UTF-32-BE", errors="ignore"),
    case("UnicodeTranscode", MIXED[:2], **UTF8, output_encoding="UTF-8", replace_control_characters=True),
    case("UnicodeEncode", i32([97, 233, 0x1F600, 98]), i64([0, 1, 3, 3, 4]), output_encoding="UTF-8"),
    case("UnicodeEncode", i32([97, 0xD800, 0x110000, 0xFFFE, -1]), i64([0, 5]), output_encoding="UTF-8"),
    case(
        "UnicodeEncode",
        i32([97, 0xD800, 0x110000]),
        i64([0, 3]),
        output_encoding="UTF-16-BE",
        errors="ignore",
    ),
    case("UnicodeEncode", i32([97]), i32([0, 1]), output_encoding="UTF-32-BE", Tsplits="int32"),
]

CASES += [
    case("UnicodeDecode", MIXED, **UTF8, errors="strict", error="INVALID_ARGUMENT: Invalid formatting"),
    case(
        "UnicodeDecode", MIXED, input_encoding="klingon", error="INVALID_ARGUMENT: Could not create converter"
    ),
    case(
        "UnicodeEncode",
        i32([0xD800]),
        i64([0, 1]),
        output_encoding="UTF-8",
        errors="strict",
        error="INVALID_ARGUMENT: Code point",
    ),
    case(
        "UnicodeEncode",
        i32([97]),
        i64([0, 2]),
        output_encoding="UTF-8",
        error="INVALID_ARGUMENT: Invalid split",
    ),
    case(
        "UnicodeTranscode",
        MIXED,
        **UTF8,
        output_encoding="UTF-8",
        errors="strict",
        error="INVALID_ARGUMENT: Invalid formatting",
    ),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
