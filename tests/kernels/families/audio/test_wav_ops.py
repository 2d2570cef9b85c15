from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ...harness import case, f32, i32, rand, table_tests


def wav(
    samples: list[list[int]],
    rate: int = 8000,
    *,
    bits: int = 16,
    form: int = 1,
    first: bytes = b"",
    extra: bytes = b"",
) -> Any:
    """A WAV file of rows of samples, one per channel, with other chunks before and after its format."""
    array = np.array(samples, "<i2")
    channels = array.shape[1]
    head = struct.pack("<HHIIHH", form, channels, rate, rate * 2 * channels, 2 * channels, bits)
    data = b"data" + struct.pack("<I", array.nbytes) + array.tobytes()
    body = first + b"fmt " + struct.pack("<I", 16) + head + extra + data
    return np.array(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body, object)


MONO, STEREO = [[0], [32767], [-32768], [100], [-7]], [[1, -1], [2, -2], [300, -300]]
OTHER = b"LIST" + struct.pack("<I", 4) + b"INFO"

CASES = [
    case("DecodeWav", wav(MONO)),
    case("DecodeWav", wav(STEREO, 44100)),
    case("DecodeWav", wav(STEREO), desired_channels=1),
    case("DecodeWav", wav(STEREO), desired_channels=3),
    case("DecodeWav", wav(MONO), desired_samples=3),
    case("DecodeWav", wav(MONO), desired_samples=8, desired_channels=2),
    case("DecodeWav", wav(MONO, extra=OTHER)),
    case("EncodeWav", f32([[0], [1], [-1], [0.5], [2], [-3], [1.5 / 32768], [-0.5 / 32768]]), i32(16000)),
    case("EncodeWav", rand(5, 2, low=-1, high=1), i32(44100)),
]

ERRORS = [
    case("DecodeWav", wav(MONO, first=OTHER), error="INVALID_ARGUMENT: first chunk of the WAV"),
    case("DecodeWav", np.array(b"RIFX", object), error="INVALID_ARGUMENT: not begin"),
    case("DecodeWav", np.array(b"", object), error="INVALID_ARGUMENT: not begin"),
    case("DecodeWav", wav(MONO, bits=8), error="INVALID_ARGUMENT: file has samples"),
    case("DecodeWav", wav(MONO, form=3), error="INVALID_ARGUMENT: audio format"),
    case("DecodeWav", np.array(wav(MONO).item()[:30], object), error="INVALID_ARGUMENT: ends within"),
    case(
        "DecodeWav",
        np.array([wav(MONO).item()], object),
        error="INVALID_ARGUMENT: 'contents' must be of rank",
    ),
    case("EncodeWav", f32([1, 2]), i32(8000), error="INVALID_ARGUMENT: 'audio' must be of rank"),
    case("EncodeWav", f32([[1, 2]]), i32([8000]), error="INVALID_ARGUMENT: 'sample_rate' must be of rank"),
]
CASES += ERRORS

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
