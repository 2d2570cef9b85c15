"""Values for feeds, as a person writes them: JSON literals, files, or made-up numbers. Never code."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.arrays import h5_array, npy_array, npy_bytes, npz_array, npz_names
from ...graphfmt.errors import Location, Status, TfgError, invalid
from ...graphfmt.files import read_file
from .console import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...runtime.plan.feeds import Feed

_FILE = re.compile(r"@(?P<path>.*?)(?:\[(?P<key>[^\[\]]+)\])?")
_MADE_UP = re.compile(r"(zeros|ones|random)(?::((?:[0-9]{1,18}(?:,[0-9]{1,18})*)?))?")
# numpy takes up to 64, and before version 2 up to 32.
_MOST_DIMENSIONS = 32
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


class Randomness:
    """Where ``random`` values come from, the same for the same seed. Made when first asked for, because
    numpy's random module takes as long to import as a small graph takes to run."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @cached_property
    def generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seed)


@dataclass(frozen=True)
class FeedValue:
    """A feed from the command line. ``read`` gives the value for what the graph wants there;
    ``is_data`` says that it came from a file and may be cut into batches."""

    name: str
    read: Callable[[Feed, Randomness], Any]
    is_data: bool


def parse_feeds(options: Sequence[str], archives: Sequence[str]) -> dict[str, FeedValue]:
    """The values of ``--feed NAME=VALUE`` and ``--feeds FILE.npz``, by name.

    Raises INVALID_ARGUMENT for a name fed twice, UsageError for what is not NAME=VALUE.
    """
    values = [parse_feed(option) for option in options]
    for path in archives:
        values += [_from_archive(path, name) for name in npz_names(Path(path))]
    found: dict[str, FeedValue] = {}
    for value in values:
        key = value.name.removesuffix(":0")
        if key in found:
            raise invalid(f"{value.name!r} is fed more than once")
        found[key] = value
    return {value.name: value for value in found.values()}


def parse_feed(option: str) -> FeedValue:
    """One NAME=VALUE."""
    name, equals, text = option.partition("=")
    if not equals or not name:
        raise UsageError(f"--feed {shortened(option)} is not of the form NAME=VALUE")
    if text.startswith("@"):
        return FeedValue(name, _reader(text), True)
    made_up = _MADE_UP.fullmatch(text)
    if made_up:
        return FeedValue(name, _maker(made_up[1], made_up[2]), False)
    literal = _literal(name, text)
    return FeedValue(name, lambda feed, random: literal, False)


def _literal(name: str, text: str) -> Any:
    try:
        return _rectangular(json.loads(text))
    except json.JSONDecodeError:
        raise UsageError(
            f"the value {shortened(text)} for {name!r} is neither JSON, nor a file, nor made up",
            hint="a text needs quotes of its own: '\"text\"'; a file begins with @; or zeros, ones, random",
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"the value {shortened(text)} for {name!r} {reason}") from None


def _rectangular(value: Any) -> Any:
    """A literal that is the same in every row. Raises ValueError."""
    if isinstance(value, dict):
        raise ValueError("is an object, which no tensor holds")
    if value is None:
        raise ValueError("is null, which is no number")
    if not isinstance(value, list):
        return value
    if _depth(value) > _MOST_DIMENSIONS:
        raise ValueError("is nested too deeply")
    try:
        array = np.array(value)
    except ValueError:
        raise ValueError("has rows of different lengths") from None
    if array.dtype.kind == "O":
        kinds = {type(item).__name__ for item in array.reshape(-1).tolist()}
        if kinds & {"dict", "NoneType", "list"}:
            raise ValueError("has elements that are no numbers, booleans or texts")
    if array.size == 0:
        return value
    return np.array(value, object) if array.dtype.kind in "OSU" else array


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth


def shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _reader(text: str) -> Callable[[Feed, Randomness], Any]:
    match = _FILE.fullmatch(text)
    if match is None or not match["path"]:
        raise UsageError(f"{text!r} names no file")
    path, key = Path(match["path"]), match["key"]
    if str(path) == "-":
        return lambda feed, random: npy_bytes(sys.stdin.buffer.read(), "<stdin>")
    suffix = path.suffix.lower()
    if key is not None and suffix not in (".npz", ".h5", ".hdf5"):
        raise UsageError(f"{text!r}: only .npz and .h5 files hold several arrays to choose from")
    if suffix == ".npy":
        return lambda feed, random: npy_array(path)
    if suffix == ".npz":
        return lambda feed, random: npz_array(path, key)
    if suffix in (".h5", ".hdf5"):
        return lambda feed, random: h5_array(path, key)
    if suffix in _IMAGES:
        return lambda feed, random: _image(path)
    return lambda feed, random: _bytes(path)


def _from_archive(path: str, name: str) -> FeedValue:
    return FeedValue(name, lambda feed, random: npz_array(Path(path), name), True)


def _bytes(path: Path) -> Any:
    value = np.empty((), object)
    value[()] = read_file(path)[0]
    return value


def _image(path: Path) -> Any:
    """An image as uint8 height × width × channels."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise TfgError(
            Status.FAILED_PRECONDITION, "images need the package pillow", hint="pip install 'tfg[images]'"
        ) from None
    data, _ = read_file(path)
    try:
        import io

        with Image.open(io.BytesIO(data)) as image:
            mode = image.mode if image.mode in ("L", "RGB", "RGBA") else "RGB"
            pixels = np.asarray(image.convert(mode), np.uint8)
    except UnidentifiedImageError:
        raise _no_image(path, "it is of no kind that pillow knows") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _no_image(path, str(error)) from None
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _no_image(path: Path, why: str) -> TfgError:
    return invalid(f"cannot read an image: {why}").at(None, Location(str(path)))


def _maker(kind: str, dims: str | None) -> Callable[[Feed, Randomness], Any]:
    wanted = None if dims is None else tuple(int(d) for d in dims.split(",")) if dims else ()

    def make(feed: Feed, random: Randomness) -> Any:
        shape = wanted if wanted is not None else _shape_for(feed, kind)
        return _made_up(kind, shape, feed, random)

    return make


def _shape_for(feed: Feed, kind: str) -> tuple[int, ...]:
    """The placeholder's shape, 1 for a dimension that is not known."""
    if feed.shape.dims is None:
        raise invalid(
            f"nothing is known of the shape of {feed.name!r}", hint=f"say it: --feed {feed.name}={kind}:2,3"
        )
    return tuple(1 if d is None else d for d in feed.shape.dims)


def _made_up(kind: str, shape: tuple[int, ...], feed: Feed, random: Randomness) -> Any:
    dtype = feed.dtype
    size = np.prod(shape, dtype=object)
    if size * max(dtype.size, 1) > 1 << 36:
        raise TfgError(
            Status.RESOURCE_EXHAUSTED, f"{feed.name!r} of shape {list(shape)} would take {size} elements"
        )
    if dtype.is_opaque:
        return np.full(shape, b"", object)
    if kind == "zeros":
        return np.zeros(shape, dtype.numpy)
    if kind == "ones":
        return np.ones(shape, dtype.numpy)
    if dtype.is_floating or dtype.is_complex:
        return random.generator.random(shape, np.float32).astype(dtype.numpy)
    high = 2 if dtype.name == "bool" else 10
    return random.generator.integers(0, high, shape).astype(dtype.numpy)


def resolve(
    values: Mapping[str, FeedValue], feeds: Sequence[Feed], random: Randomness
) -> tuple[dict[str, Any], set[str]]:
    """The arrays to feed, and the names of those that may be cut into batches."""
    arrays = {feed.name: values[feed.name].read(feed, random) for feed in feeds}
    return arrays, {name for name, value in values.items() if value.is_data}
