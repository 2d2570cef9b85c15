"""ImageSummary, AudioSummary and TensorSummary: serialized Summary messages for event files (summary_image_op.cc,
summary_audio_op.cc and summary_tensor_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Shape
from ....graphfmt.tensors import TensorValue
from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from ...numeric import tensor_messages
from ...numeric import wire_messages as messages
from ..audio.wav_ops import wav_bytes
from .summary_ops import string_scalar, summary_value

if TYPE_CHECKING:
    from ....graphfmt.dtypes import DType

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# Field numbers of Summary.Value.
_IMAGE, _AUDIO, _NODE_NAME, _TENSOR, _METADATA = 4, 6, 7, 8, 9
# Values of less are black: they are not scaled up.
_ZERO = np.float32(1e-6)


def _tag(value: Any) -> bytes:
    array = np.asarray(value, object)
    if array.ndim:
        raise invalid(f"Tag must be a scalar, but has shape {Shape(array.shape)}")
    return array.item()


def _numbered(tag: bytes, kind: bytes, number: int, most: int) -> bytes:
    """The tag of one of several; that of the only one has no number."""
    return tag + b"/" + kind + (b"/%d" % number if most > 1 else b"")


# Images.

image = op(
    "ImageSummary(tag: string, tensor: T; max_images: int >= 1 = 3, T: type in {uint8, float, half, double} = float, "
    "bad_color: tensor = <tensor>) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@image.kernel
def _(xp: Any, tag: Any, tensor: Any, *, max_images: int, bad_color: Any) -> Any:
    name, pictures = _tag(tag), np.asarray(tensor)
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3, 4):
        raise invalid(f"Tensor must be 4-D with last dim 1, 3, or 4, not {Shape(pictures.shape)}")
    if max(pictures.shape) >= 1 << 31 or not all(pictures.shape[1:]):
        raise invalid(f"pictures of shape {Shape(pictures.shape[1:])} cannot be encoded")
    depth = pictures.shape[3]
    colour = _bad_colour(bad_color, depth)
    values = (
        _image_value(_numbered(name, b"image", number, max_images), picture, colour)
        for number, picture in enumerate(pictures[:max_images])
    )
    return string_scalar(b"".join(values))


def _bad_colour(value: Any, depth: int) -> Any:
    """The colour of pixels that are not finite: red, unless the attribute names another."""
    if value is None:
        return np.array([255, 0, 0, 255], np.uint8)[:depth]
    colour = value.array() if isinstance(value, TensorValue) else np.asarray(value)
    if colour.dtype != np.uint8:
        raise invalid(f"expected uint8 bad_color, got {colour.dtype}")
    if colour.ndim != 1 or len(colour) < depth:
        raise invalid(f"expected depth={depth} or more, got bad_color.shape = {Shape(colour.shape)}")
    return colour[:depth]


def _image_value(tag: bytes, picture: Any, bad_colour: Any) -> bytes:
    from ..image.pictures import encoded

    pixels = picture if picture.dtype == np.uint8 else _as_bytes(picture, bad_colour)
    height, width, depth = pixels.shape
    content = (
        messages.int_field(1, height)
        + messages.int_field(2, width)
        + messages.int_field(3, depth)
        + messages.bytes_field(4, encoded(pixels, "PNG"))
    )
    return summary_value(tag, messages.bytes_field(_IMAGE, content))


def _as_bytes(picture: Any, bad_colour: Any) -> Any:
    """Scales a picture so that its largest value is 255; where it has negative ones, 0 becomes 128."""
    dtype = picture.dtype
    is_finite = np.isfinite(picture).all(axis=2)
    finite = picture[is_finite]
    low, high = (finite.min(), finite.max()) if finite.size else (dtype.type(0), dtype.type(0))
    largest = max(abs(low), abs(high)) if low < 0 else high
    reach, zero = (127, 128) if low < 0 else (255, 0)
    scale = dtype.type(0) if largest < _ZERO else dtype.type(reach) / largest
    pixels = np.empty(picture.shape, np.uint8)
    pixels[is_finite] = (finite * scale + dtype.type(zero)).astype(np.uint8)
    pixels[~is_finite] = bad_colour
    return pixels


# Sound.


def _audio(tag: Any, tensor: Any, sample_rate: float, most: int) -> Any:
    name, sounds = _tag(tag), np.asarray(tensor)
    if sounds.ndim not in (2, 3):
        raise invalid(f"Tensor must be 3-D or 2-D, got: {list(sounds.shape)}")
    if not 0 < sample_rate < 1 << 31:
        raise invalid(f"sample_rate must be > 0, and below 2^31, but is {sample_rate}")
    if sounds.ndim == 2:
        sounds = sounds[..., None]
    values = (
        _audio_value(_numbered(name, b"audio", number, most), sound, sample_rate)
        for number, sound in enumerate(sounds[:most])
    )
    return string_scalar(b"".join(values))


def _audio_value(tag: bytes, sound: Any, sample_rate: float) -> bytes:
    frames, channels = sound.shape
    content = (
        messages.float_field(1, sample_rate)
        + messages.int_field(2, channels)
        + messages.int_field(3, frames)
        + messages.bytes_field(4, wav_bytes(sound, int(sample_rate)))
        + messages.bytes_field(5, b"audio/wav")
    )
    return summary_value(tag, messages.bytes_field(_AUDIO, content))


audio = op(
    "AudioSummary(tag: string, tensor: float; sample_rate: float, max_outputs: int >= 1 = 3) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@audio.kernel
def _(xp: Any, tag: Any, tensor: Any, *, sample_rate: float, max_outputs: int) -> Any:
    return _audio(tag, tensor, sample_rate, max_outputs)


audio_v2 = op(
    "AudioSummaryV2(tag: string, tensor: float, sample_rate: float; max_outputs: int >= 1 = 3) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@audio_v2.kernel
def _(xp: Any, tag: Any, tensor: Any, sample_rate: Any, *, max_outputs: int) -> Any:
    if np.ndim(sample_rate):
        raise invalid(f"sample_rate must be a scalar, but has shape {Shape(np.shape(sample_rate))}")
    return _audio(tag, tensor, float(sample_rate), max_outputs)


# Any tensor.


def _tensor_field(tensor: Any, dtype: DType) -> bytes:
    return messages.bytes_field(_TENSOR, tensor_messages.to_message(np.asarray(tensor, dtype.numpy), dtype))


tensor = op(
    'TensorSummary(tensor: T; T: type, description: string = "", labels: list(string) = [], '
    'display_name: string = "") -> (summary: string)',
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@tensor.kernel
def _(xp: Any, tensor: Any, *, T: DType, node_name: str) -> Any:
    named = messages.bytes_field(_NODE_NAME, node_name.encode())
    return string_scalar(summary_value(b"", named + _tensor_field(tensor, T)))


tensor_v2 = op(
    "TensorSummaryV2(tag: string, tensor: T, serialized_summary_metadata: string; T: type) -> (summary: string)",
    shape=shapes.scalar,
    differentiable=False,
    allocates_output=True,
)


@tensor_v2.kernel
def _(xp: Any, tag: Any, tensor: Any, metadata: Any, *, T: DType) -> Any:
    name, data = np.asarray(tag, object), np.asarray(metadata, object)
    for what, value in (("tag", name), ("serialized_summary_metadata", data)):
        if value.ndim:
            raise invalid(f"{what} must be scalar, but has shape {Shape(value.shape)}")
    content = _tensor_field(tensor, T) + messages.bytes_field(_METADATA, data.item())
    return string_scalar(summary_value(name.item(), content))
