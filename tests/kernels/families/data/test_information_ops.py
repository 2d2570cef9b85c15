"""Single elements of datasets."""

from __future__ import annotations

from typing import Any

import pytest
import tfg
from tfg.graphfmt.errors import Status, TfgError

_ONE: dict[str, Any] = {"output_types": ["int64"], "output_shapes": [[]]}


def _run(index: int) -> Any:
    g = tfg.GraphBuilder()
    numbers = g.RangeDataset(*(g.constant(value, "int64") for value in (3, 9, 2)), **_ONE)
    wrapped = g.UnwrapDatasetVariant(g.WrapDatasetVariant(numbers))
    g.GetElementAtIndex(wrapped, g.constant(index, "int64"), name="element", **_ONE)
    with tfg.Session(g.graph()) as session:
        return session.run(["element"])[0]


def test_an_element_by_its_number() -> None:
    assert [_run(index) for index in range(3)] == [3, 5, 7]


@pytest.mark.parametrize("index", [-1, 3, 10**12])
def test_numbers_out_of_range(index: int) -> None:
    with pytest.raises(TfgError, match="out of range") as caught:
        _run(index)
    assert caught.value.status is Status.OUT_OF_RANGE
