"""Feeds on the command line: JSON literals, files, or generated values. Nothing is evaluated as code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...graphfmt.arrays import h5_array, npy_array, npy_bytes, npz_array, npz_names
from ...graphfmt.errors import Location, Status, TfgError, invalid
from ...graphfmt.files import read_file, read_standard_input
from .console import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...runtime.plan.feeds import Feed

_FILE = re.compile(r"@(?P<path>.*?)(?:\[(?P<key>[^\[\]]+)\])?")
_GENERATED = re.compile(r"(zeros|ones|random)(?::((?:[0-9]{1,18}(?:,[0-9]{1,18})*)?))?")
# numpy supports 64 dimensions, before version 2 only 32.
_MAX_DIMENSIONS = 32
_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


class Randomness:
    """The seeded generator of ``random`` feeds.

    Created on first use, because importing numpy's random module takes as long as running a small graph.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    @cached_property
    def generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seed)


@dataclass(frozen=True)
class FeedValue:
    """A feed from the command line.

    ``read`` returns the value for a fed tensor of the plan. ``is_data`` marks a value from a file, which may be cut
    into batches.
    """

    name: str
    read: Callable[[Feed, Randomness], Any]
    is_data: bool


def parse_feeds(options: Sequence[str], archives: Sequence[str]) -> dict[str, FeedValue]:
    """Parses ``--feed NAME=VALUE`` and ``--feeds FILE.npz``; returns the feeds by name.

    Raises INVALID_ARGUMENT for a name fed twice, UsageError for a feed that is not of the form NAME=VALUE.
    """
    values = [parse_feed(option) for option in options]
    for path in archives:
        values += [_from_archive(path, name) for name in npz_names(Path(path))]
    feeds: dict[str, FeedValue] = {}
    for value in values:
        key = value.name.removesuffix(":0")
        if key in feeds:
            raise invalid(f"{value.name!r} is fed more than once")
        feeds[key] = value
    return {value.name: value for value in feeds.values()}


def parse_feed(option: str) -> FeedValue:
    """Parses one NAME=VALUE. Raises UsageError."""
    name, equals, text = option.partition("=")
    if not equals or not name:
        raise UsageError(f"--feed {shortened(option)} is not of the form NAME=VALUE")
    if text.startswith("@"):
        return FeedValue(name, _reader(text), True)
    generated = _GENERATED.fullmatch(text)
    if generated:
        return FeedValue(name, _generator(generated[1], generated[2]), False)
    literal = _literal(name, text)
    return FeedValue(name, lambda feed, random: literal, False)


def _literal(name: str, text: str) -> Any:
    try:
        return _rectangular(json.loads(text))
    except json.JSONDecodeError:
        raise UsageError(
            f"the value {shortened(text)} for {name!r} is neither JSON, nor a file, nor zeros, ones or random",
            hint="a string needs double quotes inside single quotes: '\"text\"'; a file needs a leading @",
        ) from None
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(f"the value {shortened(text)} for {name!r} {reason}") from None


def _rectangular(value: Any) -> Any:
    """Returns a literal as an array or scalar. Raises ValueError for objects, nulls and ragged lists."""
    if isinstance(value, dict):
        raise ValueError("is an object, which is not a tensor value")
    if value is None:
        raise ValueError("is null, which is not a tensor value")
    if not isinstance(value, list):
        return value
    if _depth(value) > _MAX_DIMENSIONS:
        raise ValueError("is nested too deeply")
    try:
        array = np.array(value)
    except ValueError:
        raise ValueError("has rows of different lengths") from None
    if array.dtype.kind == "O":
        kinds = {type(item).__name__ for item in array.reshape(-1).tolist()}
        if kinds & {"dict", "NoneType", "list"}:
            raise ValueError("has elements that are not numbers, booleans or strings")
    if array.size == 0:
        return value
    return np.array(value, object) if array.dtype.kind in "OSU" else array


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth


def shortened(text: str) -> str:
    """Returns a text in quotes, abbreviated to 60 characters."""
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _reader(text: str) -> Callable[[Feed, Randomness], Any]:
    match = _FILE.fullmatch(text)
    if match is None or not match["path"]:
        raise UsageError(f"{text!r} does not name a file")
    path, key = Path(match["path"]), match["key"]
    if str(path) == "-":
        return lambda feed, random: npy_bytes(read_standard_input(), "<stdin>")
    suffix = path.suffix.lower()
    if key is not None and suffix not in (".npz", ".h5", ".hdf5"):
        raise UsageError(f"{text!r}: [KEY] needs a .npz or .h5 file")
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
    """Reads an image as uint8 [height, width, channels]. Raises FAILED_PRECONDITION without pillow."""
    try:
        from PIL import Image
    except ImportError:
        raise TfgError(
            Status.FAILED_PRECONDITION,
            "reading an image needs the package pillow",
            hint="pip install 'tfg[images]'",
        ) from None
    data, _ = read_file(path)
    try:
        import io

        with Image.open(io.BytesIO(data)) as image:
            mode = image.mode if image.mode in ("L", "RGB", "RGBA") else "RGB"
            pixels = np.asarray(image.convert(mode), np.uint8)
    except MemoryError:
        raise TfgError(Status.RESOURCE_EXHAUSTED, f"{str(path)!r} does not fit in memory") from None
    except Exception as error:
        # A decoder of a damaged image may raise anything.
        raise _image_error(path, error) from None
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _image_error(path: Path, error: Exception) -> TfgError:
    unknown = type(error).__name__ == "UnidentifiedImageError"
    why = "pillow does not know its format" if unknown else str(error) or type(error).__name__
    return invalid(f"cannot read an image: {why}").at(None, Location(str(path)))


def _generator(kind: str, dims: str | None) -> Callable[[Feed, Randomness], Any]:
    fixed = None if dims is None else tuple(int(d) for d in dims.split(",")) if dims else ()

    def make(feed: Feed, random: Randomness) -> Any:
        shape = fixed if fixed is not None else _default_shape(feed, kind)
        return _generate(kind, shape, feed, random)

    return make


def _default_shape(feed: Feed, kind: str) -> tuple[int, ...]:
    """Returns the shape of the fed tensor, with 1 for unknown dimensions."""
    if feed.shape.dims is None:
        raise invalid(
            f"the shape of {feed.name!r} is unknown", hint=f"give one: --feed {feed.name}={kind}:2,3"
        )
    return tuple(1 if d is None else d for d in feed.shape.dims)


def _generate(kind: str, shape: tuple[int, ...], feed: Feed, random: Randomness) -> Any:
    dtype = feed.dtype
    size = np.prod(shape, dtype=object)
    if size * max(dtype.size, 1) > 1 << 36:
        raise TfgError(
            Status.RESOURCE_EXHAUSTED, f"{feed.name!r} of shape {list(shape)} would have {size} elements"
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
    """Returns the arrays to feed, and the names of those that may be cut into batches."""
    arrays = {feed.name: values[feed.name].read(feed, random) for feed in feeds}
    return arrays, {name for name, value in values.items() if value.is_data}
