from __future__ import annotations

import numpy as np

from ...harness import case, i32, table_tests

TEXT = i32([[ord(c) for c in "aéж1漢"], [ord(c) for c in "あア한א "]])

CASES = [
    case("UnicodeScript", TEXT),
    case("UnicodeScript", i32(ord("z"))),
    case("UnicodeScript", i32([])),
    case("UnicodeScript", i32([-1, 0, 0x10FFFF, 0x110000, 2**31 - 1, 0xD800, 0xE000])),
    # One code point in 97, over all of Unicode.
    case("UnicodeScript", np.arange(0, 0x110000, 97, np.int32)),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
