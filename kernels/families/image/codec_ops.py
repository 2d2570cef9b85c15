"""Decoding and encoding of PNG, JPEG, GIF, BMP and WebP (decode_image_op.cc, encode_png_op.cc and their relatives in
TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt import dtypes
from ....graphfmt.errors import invalid
from ....graphfmt.shapes import UNKNOWN, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric.string_tensors import array_of
from .pictures import encoded, format_of, frames, open_picture, pixels

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_JPEG = (
    "channels: int = 0, ratio: int = 1, fancy_upscaling: bool = true, try_recover_truncated: bool = false, "
    'acceptable_fraction: float = 1, dct_method: string = ""'
)
_ALL = ("JPEG", "PNG", "GIF", "BMP", "WEBP")


def _contents(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.ndim:
            raise invalid(f"contents must be scalar, got shape {list(value.shape)}")
        return value[()]
    return value


def _picture_shape(c: ShapeContext) -> Shape:
    c.with_rank("contents", 0)
    channels = c.attrs.get("channels", 0)
    if channels not in (0, 1, 2, 3, 4):
        raise invalid(f"channels must be 0, 1, 3 or 4, but is {channels}")
    return Shape((None, None, channels or None))


def _check_channels(channels: int, allowed: tuple[int, ...]) -> None:
    if channels not in allowed:
        raise invalid(f"channels must be {', '.join(map(str, allowed))}, but is {channels}")


png = op(
    "DecodePng(contents: string; channels: int = 0, dtype: type in {uint8, uint16} = uint8) -> (image: dtype)",
    shape=_picture_shape,
)


@png.kernel
def _(xp: Any, contents: Any, *, channels: int, dtype: DType) -> Any:
    _check_channels(channels, (0, 1, 2, 3, 4))
    data = _contents(contents)
    return _still(data, channels, dtype)


def _still(data: bytes, channels: int, dtype: DType) -> Any:
    """Returns the pixels of a picture; of an animation, those of its first frame."""
    picture = open_picture(data, [format_of(data)])
    return pixels(picture, channels, is_16_bit=dtype is dtypes.uint16)


jpeg = op(f"DecodeJpeg(contents: string; {_JPEG}) -> (image: uint8)", shape=_picture_shape)


@jpeg.kernel
def _(
    xp: Any, contents: Any, *, channels: int, ratio: int, try_recover_truncated: bool, dct_method: str
) -> Any:
    _check_channels(channels, (0, 1, 3))
    _check_jpeg(ratio, dct_method)
    return _reduced(_contents(contents), channels, ratio)


def _check_jpeg(ratio: int, dct_method: str) -> None:
    if ratio not in (1, 2, 4, 8):
        raise invalid(f"ratio must be 1, 2, 4, or 8, got {ratio}")
    if dct_method not in ("", "INTEGER_FAST", "INTEGER_ACCURATE"):
        raise invalid(
            f"dct_method must be one of {{'', 'INTEGER_FAST', 'INTEGER_ACCURATE'}}, got {dct_method!r}"
        )


def _reduced(data: bytes, channels: int, ratio: int) -> Any:
    """Returns the pixels of a picture; a JPEG may be decoded at a half, a quarter or an eighth of its size."""
    picture = open_picture(data, [format_of(data)])
    if ratio > 1 and picture.format == "JPEG":
        size = (-(-picture.width // ratio), -(-picture.height // ratio))
        picture.draft(None, size)
        if picture.size != size:
            picture = picture.resize(size)
    return pixels(picture, channels or (1 if picture.mode == "L" else 3))


crop = op(
    f"DecodeAndCropJpeg(contents: string, crop_window: int32; {_JPEG}) -> (image: uint8)",
    shape=_picture_shape,
)


@crop.kernel
def _(xp: Any, contents: Any, crop_window: Any, *, channels: int, ratio: int, dct_method: str) -> Any:
    _check_channels(channels, (0, 1, 3))
    _check_jpeg(ratio, dct_method)
    if np.shape(crop_window) != (4,):
        raise invalid(f"crop_window must have four elements, but has shape {list(np.shape(crop_window))}")
    top, left, height, width = (int(value) for value in crop_window)
    whole = _reduced(_contents(contents), channels, ratio)
    if (
        top < 0
        or left < 0
        or height < 1
        or width < 1
        or top + height > len(whole)
        or left + width > whole.shape[1]
    ):
        raise invalid(
            f"the crop window {[top, left, height, width]} does not lie in a picture of {list(whole.shape)}"
        )
    return whole[top : top + height, left : left + width].copy()


gif = op("DecodeGif(contents: string) -> (image: uint8)", shape=lambda c: Shape((None, None, None, 3)))


@gif.kernel
def _(xp: Any, contents: Any) -> Any:
    data = _contents(contents)
    kind = format_of(data)
    if kind == "GIF":
        return frames(open_picture(data, [kind]))
    return pixels(open_picture(data, [kind]), 3)[None]


bmp = op("DecodeBmp(contents: string; channels: int = 0) -> (image: uint8)", shape=_picture_shape)


@bmp.kernel
def _(xp: Any, contents: Any, *, channels: int) -> Any:
    _check_channels(channels, (0, 1, 3, 4))
    data = _contents(contents)
    picture = open_picture(data, [format_of(data)])
    if channels and channels != len(picture.getbands()):
        raise invalid(
            f"channels attribute {channels} does not match bits per pixel from file {8 * len(picture.getbands())}"
        )
    return pixels(picture, channels)


webp = op(
    "DecodeWebP(contents: string; channels: int = 0, dtype: type in {uint8} = uint8) -> (image: dtype)",
    shape=_picture_shape,
)


@webp.kernel
def _(xp: Any, contents: Any, *, channels: int, dtype: DType) -> Any:
    _check_channels(channels, (0, 3, 4))
    return _still(_contents(contents), channels, dtype)


def _image_shape(c: ShapeContext) -> Shape:
    c.with_rank("contents", 0)
    if c.attrs["expand_animations"]:
        return UNKNOWN
    return Shape((None, None, c.attrs["channels"] or None))


image = op(
    "DecodeImage(contents: string; channels: int = 0, dtype: type in {uint8, uint16, float} = uint8, "
    "expand_animations: bool = true) -> (image: dtype)",
    shape=_image_shape,
)


@image.kernel
def _(xp: Any, contents: Any, *, channels: int, dtype: DType, expand_animations: bool) -> Any:
    _check_channels(channels, (0, 1, 3, 4))
    data = _contents(contents)
    kind = format_of(data)
    picture = open_picture(data, [kind])
    if kind == "GIF":
        if channels not in (0, 3):
            raise invalid("channels must be 0 or 3 for a GIF")
        animation = frames(picture)
        values = animation if expand_animations else animation[0]
    else:
        values = pixels(picture, channels, is_16_bit=dtype is dtypes.uint16 and kind == "PNG")
    if dtype is dtypes.uint8 or values.dtype == np.uint16:
        return values
    return (
        values.astype(np.uint16) * 257
        if dtype is dtypes.uint16
        else values.astype(np.float32) / np.float32(255)
    )


shape_of_jpeg = op(
    "ExtractJpegShape(contents: string; output_type: type in {int32, int64} = int32) -> (image_shape: output_type)",
    shape=lambda c: Shape((3,)),
)


@shape_of_jpeg.kernel
def _(xp: Any, contents: Any, *, output_type: DType) -> Any:
    picture = open_picture(_contents(contents), ["JPEG"])
    return np.array([picture.height, picture.width, len(picture.getbands())], output_type.numpy)


def _scalar(c: ShapeContext) -> Shape:
    return Shape(())


encode_png = op(
    "EncodePng(image: T; compression: int = -1, T: type in {uint8, uint16} = uint8) -> (contents: string)",
    shape=lambda c: (
        Shape((c.with_rank_at_least("image", 3).dims or ())[:-3]) if c.input("image").dims else UNKNOWN
    ),
)


@encode_png.kernel
def _(xp: Any, image: Any, *, compression: int) -> Any:
    if image.ndim < 3 or image.shape[-1] not in (1, 2, 3, 4) or not image.size:
        raise invalid(f"image must have 1, 2, 3, or 4 channels and pixels, but has shape {list(image.shape)}")
    if not -1 <= compression <= 9:
        raise invalid(f"compression should be in [-1,9], got {compression}")
    if image.dtype == np.uint16 and image.shape[-1] != 1:
        raise invalid("a picture of 16 bits must have one channel here")
    options = {} if compression < 0 else {"compress_level": compression}
    stack = image.shape[:-3]
    pictures = image.reshape(-1, *image.shape[-3:])
    return array_of(stack, [encoded(picture, "PNG", **options) for picture in pictures])


encode_jpeg = op(
    "EncodeJpeg(image: uint8; format: string in {'', 'grayscale', 'rgb'} = \"\", quality: int = 95, "
    "progressive: bool = false, optimize_size: bool = false, chroma_downsampling: bool = true, "
    "density_unit: string in {'in', 'cm'} = \"in\", x_density: int = 300, y_density: int = 300, "
    'xmp_metadata: string = "") -> (contents: string)',
    shape=_scalar,
)


def _check_for_jpeg(image: Any, channels: tuple[int, ...]) -> None:
    if image.ndim != 3:
        raise invalid(f"image must be 3-dimensional, but has shape {list(image.shape)}")
    if image.shape[-1] not in channels:
        raise invalid(f"image must have 1 or 3 channels, but has shape {list(image.shape)}")


def _quality_options(quality: int) -> dict[str, Any]:
    if not 0 <= quality <= 100:
        raise invalid(f"quality must be in [0,100], got {quality}")
    return {"quality": max(quality, 1)}


@encode_jpeg.kernel
def _(
    xp: Any, image: Any, *, format: str, quality: int, progressive: bool, optimize_size: bool,
    chroma_downsampling: bool, density_unit: str, x_density: int, y_density: int,
) -> Any:  # fmt: skip
    _check_for_jpeg(image, {"": (1, 3), "grayscale": (1,), "rgb": (3,)}[format])
    density = (
        (x_density, y_density) if density_unit == "in" else (round(x_density * 2.54), round(y_density * 2.54))
    )
    options: dict[str, Any] = {"progressive": progressive, "optimize": optimize_size, "dpi": density}
    if image.shape[-1] == 3:
        options["subsampling"] = 2 if chroma_downsampling else 0
    return array_of((), [encoded(image, "JPEG", **_quality_options(quality), **options)])


encode_variable = op(
    "EncodeJpegVariableQuality(images: uint8, quality: int32) -> (contents: string)", shape=_scalar
)


@encode_variable.kernel
def _(xp: Any, images: Any, quality: Any) -> Any:
    _check_for_jpeg(images, (1, 3))
    if np.ndim(quality):
        raise invalid(f"quality must be scalar, but has shape {list(np.shape(quality))}")
    return array_of((), [encoded(images, "JPEG", **_quality_options(int(quality)))])
