from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ...harness import case, i32, table_tests

GRADIENT = (np.arange(7 * 5 * 3).reshape(7, 5, 3) * 2).astype(np.uint8)


def picture(array: Any, kind: str, **options: Any) -> Any:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return np.array(out.getvalue(), object)


def animation() -> Any:
    out = io.BytesIO()
    shades = [Image.fromarray(np.full((3, 4, 3), shade, np.uint8)) for shade in (0, 128, 255)]
    shades[0].save(out, "GIF", save_all=True, append_images=shades[1:])
    return np.array(out.getvalue(), object)


RGB, GRAY = picture(GRADIENT, "PNG"), picture(GRADIENT[..., 0].copy(), "PNG")
RGBA = picture(np.concatenate([GRADIENT, GRADIENT[..., :1]], axis=-1), "PNG")
SMOOTH = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
JPEG, BMP = picture(SMOOTH, "JPEG", quality=95), picture(GRADIENT, "BMP")

CASES = [
    case("DecodePng", RGB),
    case("DecodePng", RGB, channels=4),
    case("DecodePng", RGBA),
    case("DecodePng", RGBA, channels=3),
    case("DecodePng", GRAY),
    case("DecodePng", GRAY, channels=3),
    case("DecodePng", RGB, dtype="uint16"),
    case("DecodeBmp", BMP),
    case("DecodeGif", animation()),
    case("DecodeImage", RGB),
    case("DecodeImage", RGB, dtype="float"),
    case("DecodeImage", animation()),
    case("DecodeImage", animation(), expand_animations=False),
    case("DecodeImage", BMP, channels=3),
    case("ExtractJpegShape", JPEG),
    case("ExtractJpegShape", JPEG, output_type="int64"),
]

CASES += [
    case("DecodePng", np.array(b"no picture", object), error="INVALID_ARGUMENT: Unknown image"),
    case("DecodePng", np.array(RGB.item()[:40], object), error="INVALID_ARGUMENT: picture"),
    case("DecodeImage", np.array(b"", object), error="INVALID_ARGUMENT: Unknown image"),
    case("DecodeJpeg", JPEG, ratio=3, error="INVALID_ARGUMENT: ratio"),
    case("DecodeJpeg", JPEG, channels=4, error="INVALID_ARGUMENT: channels"),
    case("DecodeAndCropJpeg", JPEG, i32([0, 0, 17, 4]), error="INVALID_ARGUMENT: crop window"),
    case("EncodePng", np.zeros((2, 2, 5), np.uint8), error="INVALID_ARGUMENT: channels"),
    case("EncodeJpeg", np.zeros((2, 2, 3), np.uint8), quality=101, error="INVALID_ARGUMENT: quality"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)


def run(name: str, *inputs: Any, **attrs: Any) -> Any:
    from tfg.kernels.builder.graph_builder import GraphBuilder

    from tests import reference

    g = GraphBuilder()
    out = g.add_op(name, *inputs, **attrs)
    return reference.run(g.graph(), [out.name], {})[0]


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
def test_a_jpeg_is_decoded_at_a_part_of_its_size(ratio: int) -> None:
    found = run("DecodeJpeg", JPEG, ratio=ratio)
    assert found.shape == (16 // ratio, 16 // ratio, 3)
    expected = SMOOTH.reshape(16 // ratio, ratio, 16 // ratio, ratio, 3).mean(axis=(1, 3))
    assert np.abs(found - expected).max() < 12


def test_a_part_of_a_jpeg() -> None:
    whole, part = run("DecodeJpeg", JPEG), run("DecodeAndCropJpeg", JPEG, i32([2, 3, 4, 5]))
    np.testing.assert_array_equal(part, whole[2:6, 3:8])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_is_decoded_as_it_was_encoded(channels: int) -> None:
    pixels = np.arange(6 * 4 * channels, dtype=np.uint8).reshape(6, 4, channels)
    np.testing.assert_array_equal(run("DecodePng", run("EncodePng", pixels)), pixels)


def test_several_pictures_are_encoded_at_once() -> None:
    stack = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    found = run("EncodePng", stack)
    np.testing.assert_array_equal(run("DecodePng", np.array(found[1], object)), stack[1])


@pytest.mark.parametrize("name", ["EncodeJpeg", "EncodeJpegVariableQuality"])
def test_a_jpeg_of_high_quality_is_close_to_the_original(name: str) -> None:
    extra = [] if name == "EncodeJpeg" else [np.int32(95)]
    found = run("DecodeJpeg", run(name, SMOOTH, *extra))
    assert np.abs(found.astype(int) - SMOOTH).max() < 12


def test_a_picture_that_claims_to_be_huge_takes_no_memory() -> None:
    from tfg.graphfmt.errors import TfgError

    data = bytearray(RGB.item())
    data[16:24] = (0x7FFFFFFF).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    with pytest.raises(TfgError, match=r"RESOURCE_EXHAUSTED|INVALID_ARGUMENT"):
        run("DecodePng", np.array(bytes(data), object))
