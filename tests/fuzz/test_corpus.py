"""Every input that was once at fault ends with a success or an error that has a status."""

from __future__ import annotations

from pathlib import Path

import pytest

from .worker import check_apart

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").glob("*--*"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_an_input_that_was_at_fault(path: Path) -> None:
    assert not check_apart(path.name.partition("--")[0], path.read_bytes())
