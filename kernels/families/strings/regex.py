"""Regular expressions by RE2, the library that TensorFlow uses: on bytes, in time linear in the text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ....graphfmt.errors import invalid


@lru_cache(maxsize=256)
def compile_re2(pattern: bytes) -> Any:
    """A compiled pattern. Raises INVALID_ARGUMENT where RE2 does not take it."""
    # Few graphs have regular expressions.
    import re2  # pyright: ignore[reportMissingTypeStubs]

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        text = pattern.decode("utf-8", "replace")
        raise invalid(f"invalid regular expression {text!r}: {reason}") from None
