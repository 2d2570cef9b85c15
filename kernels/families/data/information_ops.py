"""Operations on a dataset as a whole: its cardinality, one of its elements, the variant around it
(cardinality_dataset_ops.cc, get_options_op.cc and dataset_ops.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import int_arguments
from .cardinalities import INFINITE
from .datasets import Element, Pass, Reading, Transformation, new_variant, to_dataset, to_variant
from .iterator_ops import check_values, stated_shapes
from .signature_parts import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ....graphfmt.dtypes import DType
    from ....graphfmt.shapes import Shape

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

cardinality = op(
    'DatasetCardinality(input_dataset: variant; cardinality_options: string = "") -> (cardinality: int64)',
    shape=shapes.scalar,
)


@cardinality.kernel
def _(xp: Any, input_dataset: Any) -> Any:
    return np.int64(to_dataset(input_dataset).cardinality)


class CardinalityCheck(Transformation):
    """Passes elements on. Raises FAILED_PRECONDITION where they are not as many as stated."""

    counts = ("position",)

    def __init__(self, source: Pass, expected: int) -> None:
        super().__init__(source)
        self._expected = expected
        self.position = 0

    def next(self) -> Element | None:
        element = self.source.next()
        if element is None:
            if self.position != self._expected:
                raise self._error("contained only ")
            return None
        self.position += 1
        if self._expected != INFINITE and self.position > self._expected:
            raise self._error("contained at least ")
        return element

    def _error(self, found: str) -> TfgError:
        expected = "an infinite number of" if self._expected == INFINITE else self._expected
        noun = "element" if expected == 1 else "elements"
        return TfgError(
            Status.FAILED_PRECONDITION,
            f"Input dataset was expected to contain {expected} {noun} but {found}{self.position} "
            f"{'element' if self.position == 1 else 'elements'}.",
        )


check = op(
    f"AssertCardinalityDataset(input_dataset: variant, cardinality: int64; {OUTPUTS}) -> (handle: variant)",
    shape=shapes.scalar,
)


@check.kernel
def _(
    xp: Any, input_dataset: Any, cardinality: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source, expected = to_dataset(input_dataset), int_arguments.int_scalar(cardinality, "cardinality")
    return new_variant(
        output_types,
        output_shapes,
        lambda reading: CardinalityCheck(source.begin(reading), expected),
        expected,
    )


at_index = op(
    f"GetElementAtIndex(dataset: variant, index: int64; {OUTPUTS}) -> (components: *output_types)",
    shape=stated_shapes,
    stateful=False,
)


@at_index.kernel
def _(
    ctx: Any, xp: Any, dataset: Any, index: Any, *, output_types: Sequence[DType],
    output_shapes: Sequence[Shape],
) -> Any:  # fmt: skip
    source, wanted = to_dataset(dataset), int_arguments.int_scalar(index, "index")
    elements = source.begin(Reading(ctx))
    position = -1
    element: Element | None = ()
    while wanted >= 0 and position < wanted and element is not None:
        ctx.check_cancelled()
        element = elements.next()
        position += 1
    if element is None or wanted < 0:
        raise TfgError(Status.OUT_OF_RANGE, f"Index out of range [0, {max(position, 0)}):{wanted}")
    check_values(element, output_types, output_shapes)
    return list(element)


def _same(xp: Any, input_handle: Any) -> Any:
    return to_variant(to_dataset(input_handle))


for _name in ("WrapDatasetVariant", "UnwrapDatasetVariant"):
    op(f"{_name}(input_handle: variant) -> (output_handle: variant)", shape=shapes.scalar).kernel(_same)
