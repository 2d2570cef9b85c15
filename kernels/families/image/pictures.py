"""Encoded pictures by Pillow, which is an optional package: pip install 'tfg[images]'."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import Status, TfgError, invalid
from ...core.cancellation import check
from ...numeric import int_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

# The first bytes of each format.
_SIGNATURES: dict[str, Sequence[bytes]] = {
    "PNG": [b"\x89PNG\r\n\x1a\n"],
    "JPEG": [b"\xff\xd8\xff"],
    "GIF": [b"GIF87a", b"GIF89a"],
    "BMP": [b"BM"],
    "WEBP": [b"RIFF"],
}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def pillow() -> Any:
    """Imports Pillow. Raises UNIMPLEMENTED with the command that installs it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise TfgError(
            Status.UNIMPLEMENTED, "pictures need the package Pillow", hint="pip install 'tfg[images]'"
        ) from error
    # tfg has limits of its own, before memory is allocated.
    Image.MAX_IMAGE_PIXELS = None
    return Image


def format_of(data: bytes) -> str:
    """Returns the format of a picture by its first bytes. Raises INVALID_ARGUMENT for an unknown one."""
    for name, starts in _SIGNATURES.items():
        if any(data.startswith(start) for start in starts):
            return name
    raise invalid("Unknown image file format. One of JPEG, PNG, GIF, BMP, WEBP required.")


def open_picture(data: bytes, formats: Sequence[str]) -> Any:
    """Returns a picture of which the header alone has been read. Raises INVALID_ARGUMENT for one that is none of these
    formats, or damaged, and RESOURCE_EXHAUSTED for one that is too large."""
    module = pillow()
    try:
        picture = module.open(io.BytesIO(data), formats=list(formats))
    except Exception as error:
        raise invalid(f"the bytes are no {' or '.join(formats)} picture: {error}") from error
    int_arguments.check_allocation((picture.height, picture.width, 4), 8, "picture")
    return picture


def pixels(picture: Any, channels: int, *, is_16_bit: bool = False) -> Any:
    """Returns height × width × channels; 0 channels stand for those of the picture."""
    try:
        picture.load()
        check()
        if is_16_bit and picture.mode.startswith("I"):
            return _wide(picture, channels)
        wanted = _MODES[channels] if channels else _own_mode(picture)
        array = np.asarray(picture if picture.mode == wanted else _converted(picture, wanted), np.uint8)
    except TfgError:
        raise
    except Exception as error:
        raise invalid(f"the picture is damaged: {error}") from error
    array = array.reshape(picture.height, picture.width, -1)
    return array.astype(np.uint16) * 257 if is_16_bit else array.copy()


def _own_mode(picture: Any) -> str:
    """Returns the mode with the channels of the file: a palette has three, four with transparency."""
    if picture.mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    if picture.mode in ("1", "L", "I", "I;16", "I;16B"):
        return "L"
    return picture.mode if picture.mode in ("LA", "RGB", "RGBA") else "RGB"


def _converted(picture: Any, mode: str) -> Any:
    if picture.mode.startswith("I"):
        # Pillow clips 16-bit values instead of scaling them.
        picture = pillow().fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    if picture.mode == "P" and mode in ("L", "LA"):
        picture = picture.convert("RGBA" if mode == "LA" else "RGB")
    if picture.mode in ("RGBA", "LA") and mode in ("L", "RGB"):
        # The alpha channel is left out, not blended.
        picture = picture.convert("RGBA")
        red, green, blue, _ = picture.split()
        picture = pillow().merge("RGB", (red, green, blue))
    return picture.convert(mode)


def _wide(picture: Any, channels: int) -> Any:
    gray = np.asarray(picture).astype(np.uint16).reshape(picture.height, picture.width, 1)
    if channels in (0, 1):
        return gray
    color = np.repeat(gray, 3 if channels > 2 else 1, axis=-1)
    if channels in (2, 4):
        color = np.concatenate([color, np.full_like(gray, 65535)], axis=-1)
    return color


def frames(picture: Any) -> Any:
    """Returns all frames of an animation: frames × height × width × 3."""
    count = getattr(picture, "n_frames", 1)
    int_arguments.check_allocation((count, picture.height, picture.width, 3), 1, "animation")
    result = np.empty((count, picture.height, picture.width, 3), np.uint8)
    try:
        for number in range(count):
            check()
            picture.seek(number)
            result[number] = np.asarray(picture.convert("RGB"))
    except Exception as error:
        raise invalid(f"the animation is damaged: {error}") from error
    return result


def encoded(array: Any, kind: str, **options: Any) -> bytes:
    """Returns a picture of height × width × channels in a format."""
    module = pillow()
    flat = array[..., 0] if array.shape[-1] == 1 else array
    out = io.BytesIO()
    try:
        module.fromarray(np.ascontiguousarray(flat)).save(out, kind, **options)
    except Exception as error:
        raise invalid(f"a picture of shape {list(array.shape)} cannot be encoded: {error}") from error
    return out.getvalue()
