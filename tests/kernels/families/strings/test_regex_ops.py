"""Strings against regular expressions."""

from __future__ import annotations

import numpy as np
import pytest
from tfg.graphfmt.errors import TfgError
from tfg.kernels.families.strings.regex import compile_re2

from ...harness import case, table_tests

TEXT = np.array(["abxd", "ab\n", "a1é", "É.b[$] {,2}", ""])
SIGNS = np.array(["+,-./[]^_a&&~|bz", "\\-"])
PATTERNS = (
    "x*", "a", "(a)(b)?", "b$", "(?m)b$", "[[:alpha:]]+", "[[:^alpha:]]", "\\d+", "\\D", "\\w", "\\W+",
    "\\s", ".", "(?s).", "(?i)A|é", "a(?i)B|X", "(?i:é)b?", "\\pL", "\\PL", "\\p{Lu}", "[^\\pL]", "", "^",
    "\\bx", "\\b", "a\\z", "\\Qb[$\\E.", "[\\]x]", "[]x]", "a{,2}", "{,2}", "a{1,2}", "(?P<n>b)x", "\\x61",
    "\\x{e9}", "\\xe9", "a+?b??", "\\.", "[\\d\\s]", "[\\D]", "(?:ab)+", "a|ab",
    "(|a)b", "\\A", "\\141", "[[:punct:]]",
)  # fmt: skip
CLASSES = (
    "[+--]",
    "[--a]",
    "[---]",
    "[a-]",
    "[-a]",
    "[^-a]",
    "[]-a]",
    "[a\\-z]",
    "[&&]",
    "[~~|]",
    "[[a]",
    "[^]a]",
    "[--]",
)
REFUSED = (
    "[a-cx-z&&~~||--]",
    "(",
    ")",
    "a**",
    "a*+",
    "(?=a)",
    "(?!a)",
    "(?<=a)",
    "(a)\\1",
    "[",
    "[[:nope:]]",
    "\\",
    "\\y",
    "a{1001}",
    "*",
)

CASES = [
    *(case("StaticRegexReplace", TEXT, pattern=p, rewrite="<\\0>") for p in PATTERNS),
    *(case("StaticRegexReplace", SIGNS, pattern=p, rewrite="<\\0>") for p in CLASSES),
    *(
        case("StaticRegexReplace", TEXT, pattern=p, rewrite="", error="INVALID_ARGUMENT: regular expression")
        for p in REFUSED
    ),
    *(
        case("StaticRegexFullMatch", TEXT, pattern=p)
        for p in (".*", "(?s).*", "a.*", "ab", "a|ab\n", "ab$", "")
    ),
    case("StaticRegexFullMatch", TEXT, pattern="(", error="INVALID_ARGUMENT: regular expression"),
    case("StaticRegexReplace", TEXT, pattern="[ab]", rewrite="-", replace_global=False),
    case("StaticRegexReplace", TEXT, pattern="(a)(b)?", rewrite="\\2\\\\\\1"),
    case("StaticRegexReplace", TEXT, pattern="a", rewrite="\\1"),
    case("RegexReplace", TEXT, np.array("b+"), np.array("ü")),
    case("RegexReplace", np.array("abab"), np.array("b"), np.array("c"), replace_global=False),
    case(
        "RegexReplace",
        TEXT,
        np.array(["b"]),
        np.array("c"),
        error="INVALID_ARGUMENT: rewrite must be scalars",
    ),
    case(
        "RegexReplace",
        TEXT,
        np.array("b"),
        np.array(["c"]),
        error="INVALID_ARGUMENT: rewrite must be scalars",
    ),
    case("RegexFullMatch", TEXT, np.array("a.*")),
    case("RegexFullMatch", np.array("ab"), np.array("ab")),
    case("RegexFullMatch", TEXT, np.array(["b"]), error="INVALID_ARGUMENT: rewrite must be scalars"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [("(?U)a*", b"aa"), ("\\C", b"a"), ("\\p{Greek}", "α".encode()), ("(a*)*b", b"aab")],
)
def test_the_syntax_is_that_of_re2(pattern: str, matching: bytes) -> None:
    assert compile_re2(pattern.encode()).fullmatch(matching)


def test_a_match_takes_time_linear_in_the_text() -> None:
    """A matcher that backtracks takes 2^1000 steps."""
    assert compile_re2(b"(a*)*b").fullmatch(b"a" * 1000) is None


def test_what_re2_does_not_take_is_refused() -> None:
    with pytest.raises(TfgError, match="invalid regular expression") as caught:
        compile_re2(rb"(a)\1")
    assert caught.value.status == "INVALID_ARGUMENT"
