"""SampleDistortedBoundingBox in its three versions: random crops of an image that keep enough of an object
(sample_distorted_bounding_box_op.cc in TensorFlow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape, merge_dim, vector
from ...core.cancellation import checked
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.philox import Philox, from_seed_pair
from ..random.generators import reserve_node_stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_INPUTS = "image_size: T, bounding_boxes: float"
_SIZE_TYPES = "T: type in {uint8, int8, int16, int32, int64}"
_SEEDS = "seed: int = 0, seed2: int = 0"
_LIMITS = (
    "aspect_ratio_range: list(float) = [0.75, 1.3300000429153442], "
    "area_range: list(float) = [0.05000000074505806, 1.0], max_attempts: int = 100, "
    "use_image_if_no_bounding_boxes: bool = false"
)
_OUTPUTS = "begin: T, size: T, bboxes: float"
_EPSILON = float(np.float32(1e-7))


class _Box(NamedTuple):
    """A rectangle of pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    def area(self) -> Any:
        return np.float32((self.right - self.left) * (self.bottom - self.top))

    def common_area(self, other: _Box) -> Any:
        """Returns the area of the intersection."""
        common = _Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )
        return common.area() if common.left <= common.right and common.top <= common.bottom else np.float32(0)


@dataclass(frozen=True, slots=True)
class _CropLimits:
    """Limits of a crop: its aspect ratio (width by height) and its area as a share of the image's."""

    ratios: Sequence[float]
    areas: Sequence[float]
    attempts: int
    may_use_image: bool

    def check(self) -> None:
        """Raises INVALID_ARGUMENT for limits that no crop can have."""
        if len(self.ratios) != 2 or len(self.areas) != 2:
            raise invalid(
                "aspect_ratio_range and area_range field must specify 2 dimensions, but are "
                f"{list(self.ratios)} and {list(self.areas)}"
            )
        if not min(self.ratios) > 0:
            raise invalid(f"Aspect ratio range must be non-negative: {list(self.ratios)}")
        if not min(self.areas) > 0:
            raise invalid(f"Area range must be non-negative: {list(self.areas)}")
        if not max(self.areas) <= 1:
            raise invalid(f"Area range must be less then or equal to 1.0: {list(self.areas)}")
        if self.attempts <= 0:
            raise invalid(f"Max attempts must be non-negative: {self.attempts}")


def _shape(c: ShapeContext) -> list[Shape]:
    merge_dim(c.with_rank("image_size", 1)[0], 3)
    merge_dim(c.with_rank("bounding_boxes", 3)[2], 4)
    return [vector(3), vector(3), Shape((1, 1, 4))]


def _objects(image_size: Any, boxes: Any, may_use_image: bool) -> tuple[int, int, list[_Box]]:
    """Returns the height and width of the image and the boxes of objects in pixels."""
    if image_size.shape != (3,):
        raise invalid(
            f"image_size must be 1-dimensional with 3 elements, but has shape {Shape(image_size.shape)}"
        )
    height, width, _ = (int(n) for n in image_size)
    if not (0 <= height < 2**31 - 1 and 0 <= width < 2**31 - 1):
        raise invalid(f"image height and width must be in [0, {2**31 - 1}), but are {height} and {width}")
    if boxes.ndim != 3 or boxes.shape[2] != 4:
        raise invalid(f"bounding boxes must have shape [batch, num_boxes, 4], but have {Shape(boxes.shape)}")
    if not ((boxes >= 0) & (boxes <= 1)).all():
        raise invalid("All bounding box coordinates must be in [0.0, 1.0]")
    pixels = (boxes.reshape(-1, 4) * np.array([height, width] * 2, np.float32)).astype(np.int64).tolist()
    if not pixels and not may_use_image:
        raise invalid(
            "No bounding boxes provided as input; use_image_if_no_bounding_boxes would take the whole image"
        )
    found = [_Box(left, top, right, bottom) for top, left, bottom, right in pixels]
    return height, width, found or [_Box(0, 0, width, height)]


def _words(stream: Philox, groups: int) -> Iterator[int]:
    start = 0
    # Most crops are found at the first attempts.
    while start < groups:
        size = min(groups - start, 8)
        yield from stream.skip(start).words(size).tolist()
        start += size


def _uniform(words: Iterator[int]) -> Any:
    """Returns a float in [0, 1) of the low 23 bits of the next word."""
    return np.float32((next(words) & 0x7FFFFF) / 2**23)


def _round(value: Any) -> int:
    return int(np.rint(value))


def _random_crop(
    height: int, width: int, areas: Sequence[float], ratio: Any, words: Iterator[int]
) -> _Box | None:
    """Returns a crop of this aspect ratio whose area is within the limits, None where the numbers give none."""
    if not height or not width or areas[0] > areas[1]:
        return None
    least, most = (np.float32(a) * np.float32(width) * np.float32(height) for a in areas)
    rows, limit = _round(np.sqrt(least / ratio)), _round(np.sqrt(most / ratio))
    if _round(np.float32(limit) * ratio) > width:
        limit = int((width + 0.5 - _EPSILON) / float(ratio))
        if _round(np.float32(limit) * ratio) > width:
            limit -= 1
    limit = min(limit, height)
    rows = min(rows, limit)
    if rows < limit:
        rows += next(words) % (limit - rows + 1)
    columns = _round(np.float32(rows) * ratio)
    if rows * columns < least:
        rows += 1
        columns = _round(np.float32(rows) * ratio)
    if rows * columns > most:
        rows -= 1
        columns = _round(np.float32(rows) * ratio)
    if not (least <= rows * columns <= most and 0 < columns <= width and 0 < rows <= height):
        return None
    top = next(words) % (height - rows) if rows < height else 0
    left = next(words) % (width - columns) if columns < width else 0
    return _Box(left, top, left + columns, top + rows)


def _covers(crop: _Box, objects: list[_Box], share: Any) -> bool:
    """Returns True if the crop has this share of an object's pixels, or more."""
    return bool(crop.area() >= 1) and any(
        box.area() >= 1 and crop.common_area(box) / box.area() >= share for box in objects
    )


def _sample(
    image_size: Any, boxes: Any, share: Any, limits: _CropLimits, stream: Philox
) -> tuple[Any, Any, Any]:
    if np.ndim(share):
        raise invalid(f"min_object_covered must be 0-D, got shape {Shape(np.shape(share))}")
    if not share >= 0:
        raise invalid(f"Min object covered must be non-negative: {float(share)}")
    height, width, objects = _objects(image_size, boxes, limits.may_use_image)
    words = _words(stream, limits.attempts)
    low, high = np.array(limits.ratios, np.float32)
    chosen = _Box(0, 0, width, height)
    for _ in checked(range(limits.attempts)):
        crop = _random_crop(height, width, limits.areas, _uniform(words) * (high - low) + low, words)
        if crop is not None and _covers(crop, objects, np.float32(share)):
            chosen = crop
            break
    kind = image_size.dtype.type
    begin = np.array([chosen.top, chosen.left, 0]).astype(kind)
    size = np.array([chosen.bottom - chosen.top, chosen.right - chosen.left, -1]).astype(kind)
    with np.errstate(all="ignore"):
        box = np.array([chosen.top, chosen.left, chosen.bottom, chosen.right], np.float32)
        box /= np.array([height, width] * 2, np.float32)
    return begin, size, box.reshape(1, 1, 4)


first = op(
    f"SampleDistortedBoundingBox({_INPUTS}; {_SIZE_TYPES}, {_SEEDS}, min_object_covered: float = 0.1, {_LIMITS}) "
    f"-> ({_OUTPUTS})",
    shape=_shape,
    stateful=True,
    differentiable=False,
)


@first.kernel
def _(
    ctx: Any,
    xp: Any,
    image_size: Any,
    boxes: Any,
    *,
    node_name: str,
    seed: int,
    seed2: int,
    min_object_covered: float,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> tuple[Any, Any, Any]:
    limits = _CropLimits(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    limits.check()
    stream = reserve_node_stream(ctx, node_name, seed, seed2, max_attempts)
    return _sample(image_size, boxes, min_object_covered, limits, stream)


second = op(
    f"SampleDistortedBoundingBoxV2({_INPUTS}, min_object_covered: float; {_SIZE_TYPES}, {_SEEDS}, {_LIMITS}) "
    f"-> ({_OUTPUTS})",
    shape=_shape,
    stateful=True,
    differentiable=False,
)


@second.kernel
def _(
    ctx: Any,
    xp: Any,
    image_size: Any,
    boxes: Any,
    min_object_covered: Any,
    *,
    node_name: str,
    seed: int,
    seed2: int,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> tuple[Any, Any, Any]:
    limits = _CropLimits(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    limits.check()
    stream = reserve_node_stream(ctx, node_name, seed, seed2, max_attempts)
    return _sample(image_size, boxes, min_object_covered, limits, stream)


def _stateless_shape(c: ShapeContext) -> list[Shape]:
    merge_dim(c.with_rank("seed", 1)[0], 2)
    return _shape(c)


stateless = op(
    f"StatelessSampleDistortedBoundingBox({_INPUTS}, min_object_covered: float, seed: Tseed; {_SIZE_TYPES}, "
    f"Tseed: type in {{int32, int64}}, {_LIMITS}) -> ({_OUTPUTS})",
    shape=_stateless_shape,
)


@stateless.kernel
def _(
    xp: Any,
    image_size: Any,
    boxes: Any,
    min_object_covered: Any,
    seed: Any,
    *,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> tuple[Any, Any, Any]:
    limits = _CropLimits(aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes)
    limits.check()
    if seed.shape != (2,):
        raise invalid(f"seed must have shape [2], but has {Shape(seed.shape)}")
    return _sample(image_size, boxes, min_object_covered, limits, from_seed_pair(seed))
