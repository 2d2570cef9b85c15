"""Input pipelines: the elements that tfg's iterators give against TensorFlow's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

tf: Any = pytest.importorskip("tensorflow")

from tests.kernels.families.data.pipelines import FILES  # noqa: E402

from .record_datasets import PIPELINES, build  # noqa: E402


@pytest.mark.parametrize("one_shot", [True, False])
@pytest.mark.parametrize("name", PIPELINES)
def test_elements(name: str, one_shot: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILES)
    pipeline = build(name, tmp_path, one_shot=one_shot)
    with pipeline.session() as session:
        pipeline.check(session, range(len(pipeline.outcomes)))
