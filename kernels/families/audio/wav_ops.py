"""WAV files of 16-bit PCM samples (core/lib/wav/wav_io.cc states what TensorFlow reads and writes)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import SCALAR, Shape, matrix
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

_PCM = 1
_SCALE = np.float32(1 << 15)


class _Format(NamedTuple):
    """The ``fmt `` chunk of a WAV file."""

    channels: int
    sample_rate: int


def _decode_shape(c: ShapeContext) -> list[Shape]:
    c.with_rank(0, 0)
    sizes: list[int | None] = []
    for name in ("desired_samples", "desired_channels"):
        size = c.attr(name)
        if size == 0 or size < -1:
            raise invalid(f"{name} must be positive, or -1 for as many as the file has, but is {size}")
        sizes.append(None if size == -1 else size)
    return [matrix(*sizes), SCALAR]


decode_wav = op(
    "DecodeWav(contents: string; desired_channels: int = -1, desired_samples: int = -1) "
    "-> (audio: float, sample_rate: int32)",
    shape=_decode_shape,
)


@decode_wav.kernel
def _(xp: Any, contents: Any, *, desired_channels: int, desired_samples: int) -> list[Any]:
    if np.ndim(contents):
        raise invalid(f"contents must be a scalar, but has shape {list(np.shape(contents))}")
    data = contents if isinstance(contents, bytes) else np.asarray(contents, object).item()
    form, samples = _read(data)
    frames = samples.reshape(-1, form.channels)
    channels = form.channels if desired_channels == -1 else desired_channels
    count = len(frames) if desired_samples == -1 else desired_samples
    audio = np.zeros((count, channels), np.float32)
    kept = frames[:count]
    # A channel that the file lacks repeats its last one.
    audio[: len(kept)] = kept[:, np.minimum(np.arange(channels), form.channels - 1)] / _SCALE
    return [audio, np.int32(form.sample_rate)]


def _read(data: bytes) -> tuple[_Format, Any]:
    """Returns the format and the samples, interleaved by channel. Raises INVALID_ARGUMENT."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise invalid("contents is not a WAV file: it does not begin with RIFF and WAVE")
    chunks = _chunks(data)
    name, chunk = next(chunks, (b"", b""))
    if name != b"fmt ":
        raise invalid(f"the first chunk of the WAV file is {name!r}, not its format")
    form = _format(chunk)
    for name, chunk in chunks:
        if name == b"data":
            size = 2 * form.channels
            return form, np.frombuffer(chunk[: len(chunk) // size * size], "<i2")
    raise invalid("the WAV file has no data chunk")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        name, size = (
            data[position : position + 4],
            int.from_bytes(data[position + 4 : position + 8], "little"),
        )
        position += 8
        if position + size > len(data):
            raise invalid(f"the WAV file ends within its chunk {name!r} of {size} bytes")
        yield name, data[position : position + size]
        position += size


def _format(chunk: bytes) -> _Format:
    if len(chunk) not in (16, 18):
        raise invalid(f"the format of the WAV file has {len(chunk)} bytes, not 16 or 18")
    audio, channels, rate, bytes_per_second, bytes_per_frame, bits = struct.unpack("<HHIIHH", chunk[:16])
    if audio != _PCM:
        raise invalid(f"the WAV file has audio format {audio}, not {_PCM} (PCM)")
    if channels == 0:
        raise invalid("the WAV file has no channels")
    if bits != 16:
        raise invalid(f"the WAV file has samples of {bits} bits, not 16")
    if bytes_per_frame != 2 * channels or bytes_per_second != rate * bytes_per_frame:
        raise invalid("the sizes in the WAV file's format contradict each other")
    return _Format(channels, rate)


def _encode_shape(c: ShapeContext) -> Shape:
    c.with_rank(0, 2)
    c.with_rank(1, 0)
    return SCALAR


encode_wav = op("EncodeWav(audio: float, sample_rate: int32) -> (contents: string)", shape=_encode_shape)


@encode_wav.kernel
def _(xp: Any, audio: Any, sample_rate: Any) -> Any:
    if audio.ndim != 2:
        raise invalid(f"audio must be a matrix of samples by channels, but has shape {list(audio.shape)}")
    if np.ndim(sample_rate):
        raise invalid(f"sample_rate must be a scalar, but has shape {list(np.shape(sample_rate))}")
    channels, rate = audio.shape[1], int(sample_rate)
    if rate <= 0 or not 0 < channels < 1 << 16:
        raise invalid(f"audio of {channels} channels at {rate} samples per second cannot be encoded")
    return np.array(wav_bytes(audio, rate), object)


def wav_bytes(audio: Any, rate: int) -> bytes:
    """The bytes of a WAV file of 16-bit samples, from values in [-1, 1] of ``[samples, channels]``."""
    channels = audio.shape[1]
    samples = _rounded(audio * _SCALE).clip(-(1 << 15), (1 << 15) - 1).astype("<i2").tobytes()
    frame = 2 * channels
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, _PCM, channels, rate,
                       rate * frame, frame, 16, b"data", len(samples))  # fmt: skip
    return head + samples


def _rounded(values: Any) -> Any:
    """Rounds half away from zero, as C's ``roundf``."""
    return np.trunc(values + np.copysign(np.float32(0.5), values))
