"""Summaries of images, sound and tensors as serialized messages."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tfg
from tfg.kernels.numeric import wire_messages
from tfg.runtime.execution.session import Session

from ...harness import Case, case, cast, f32, i32, rand, table_tests

METADATA = b"\x0a\x03\x0a\x01a"

CASES: list[Case] = [
    case("AudioSummaryV2", "a", f32([[0.5, -0.5, 2, -2]]), f32(44100)),
    case("AudioSummaryV2", "a", rand(4, 3, 2), f32(8000), max_outputs=2),
    case("AudioSummaryV2", "a", rand(4, 3), f32(8000), max_outputs=1),
    case("AudioSummaryV2", "", np.zeros((2, 0, 3), np.float32), f32(1)),
    case("AudioSummaryV2", "a", np.zeros((0, 4), np.float32), f32(1)),
    case("AudioSummaryV2", "a", f32([[1]]), f32(0), error="INVALID_ARGUMENT: must be > 0"),
    case("AudioSummaryV2", "a", f32([1]), f32(1), error="INVALID_ARGUMENT: 3-D or 2-D"),
    case("AudioSummaryV2", np.array(["a"]), f32([[1]]), f32(1), error="INVALID_ARGUMENT: must be a scalar"),
    case("TensorSummaryV2", "t", i32([1, 2]), METADATA),
    case("TensorSummaryV2", "t", np.array(["q", ""]), b""),
    case("TensorSummaryV2", "", cast("bfloat16", 2), METADATA),
    case("TensorSummaryV2", np.array(["t", "u"]), i32(1), b"", error="INVALID_ARGUMENT: must be scalar"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def pictures(tensor: Any, **attrs: Any) -> list[tuple[bytes, list[int], Any]]:
    """The tag, the sizes and the pixels of each picture of an ImageSummary."""
    image = pytest.importorskip("PIL.Image")
    g = tfg.GraphBuilder()
    g.ImageSummary(g.constant(np.array("i", object)), g.constant(tensor), name="s", **attrs)
    with Session(g.graph()) as session:
        (data,) = session.run(["s"])
    found: list[tuple[bytes, list[int], Any]] = []
    for _, value in wire_messages.fields(data.item()):
        (_, tag), (_, content) = wire_messages.fields(value)
        *sizes, (_, png) = wire_messages.fields(content)
        found.append((tag, [size[0] for _, size in sizes], np.asarray(image.open(io.BytesIO(png)))))
    return found


def test_pictures_of_bytes_are_written_as_they_are() -> None:
    tensor = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    first, second = pictures(tensor)
    assert (first[:2], second[0]) == ((b"i/image/0", [2, 3, 3]), b"i/image/1")
    np.testing.assert_array_equal(second[2], tensor[1])
    assert [tag for tag, _, _ in pictures(tensor, max_images=1)] == [b"i/image"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1, 2, 4], [0, 63, 127, 255]),
        ([-1.0, 0, 0.5, 1], [1, 128, 191, 255]),
        ([-4.0, 0, 0, 2], [1, 128, 128, 191]),
        ([0.0, 0, 1e-9, 0], [0, 0, 0, 0]),
        ([-1e-9, 0, 0, 0], [128, 128, 128, 128]),
        ([np.nan, 0, np.inf, 2], [255, 0, 255, 255]),
    ],
)
def test_pictures_of_floats_are_scaled(values: list[float], expected: list[int]) -> None:
    for dtype in (np.float32, np.float64):
        ((_, _, pixels),) = pictures(np.array(values, dtype).reshape(1, 2, 2, 1))
        assert pixels.reshape(-1).tolist() == expected


def test_what_is_not_finite_has_the_bad_colour() -> None:
    tensor = np.full((1, 1, 2, 3), 5, np.float32)
    tensor[0, 0, 1, 2] = np.nan
    ((_, _, pixels),) = pictures(tensor, bad_color=np.array([1, 2, 3], np.uint8))
    assert pixels.tolist() == [[[255, 255, 255], [1, 2, 3]]]


@pytest.mark.parametrize("shape", [(2, 2, 1), (1, 2, 2, 2), (1, 0, 2, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(tfg.TfgError, match="INVALID_ARGUMENT"):
        pictures(np.zeros(shape, np.float32))
