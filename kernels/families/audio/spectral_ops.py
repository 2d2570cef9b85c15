"""Spectrograms and Mel-frequency cepstral coefficients (TensorFlow's core/kernels/spectrogram.cc and mfcc.cc)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....graphfmt.errors import invalid
from ....graphfmt.shapes import Dim, Shape
from ...core.registry import Family
from ...core.traits import GpuSupport

if TYPE_CHECKING:
    from ...core.inference import ShapeContext

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

# Energies below this are raised to it before the logarithm.
_FLOOR = 1e-12


def _slices(length: Dim, window: int, stride: int) -> Dim:
    return None if length is None else 0 if length < window else 1 + (length - window) // stride


def _bins(window: int) -> int:
    """The frequencies of a Fourier transform as long as the next power of two."""
    return 1 + (1 << (window - 1).bit_length()) // 2


def _check_window(window: int, stride: int) -> None:
    if window < 2:
        raise invalid(f"window_size must be at least 2, but is {window}")
    if stride < 1:
        raise invalid(f"stride must be positive, but is {stride}")


def _spectrogram_shape(c: ShapeContext) -> Shape:
    window, stride = c.attr("window_size"), c.attr("stride")
    _check_window(window, stride)
    audio = c.with_rank(0, 2)
    return Shape((audio[1], _slices(audio[0], window, stride), _bins(window)))


audio_spectrogram = op(
    "AudioSpectrogram(input: float; window_size: int, stride: int, magnitude_squared: bool = false) "
    "-> (spectrogram: float)",
    shape=_spectrogram_shape,
)


@audio_spectrogram.kernel
def _(xp: Any, audio: Any, *, window_size: int, stride: int, magnitude_squared: bool) -> Any:
    _check_window(window_size, stride)
    if audio.ndim != 2:
        raise invalid(f"input must be a matrix of samples by channels, but has shape {list(audio.shape)}")
    length, channels = audio.shape
    count = _slices(length, window_size, stride)
    if not count or not channels:
        return np.zeros((channels, count or 0, _bins(window_size)), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(audio.T, window_size, axis=1)[:, ::stride]
    transformed = np.fft.rfft(windows * _hann(window_size), n=2 * (_bins(window_size) - 1))
    power = (transformed.real**2 + transformed.imag**2).astype(np.float32)
    return power if magnitude_squared else np.sqrt(power)


@lru_cache(16)
def _hann(size: int) -> Any:
    """The periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def _mfcc_shape(c: ShapeContext) -> Shape:
    spectrogram = c.with_rank(0, 3)
    c.with_rank(1, 0)
    return Shape((spectrogram[0], spectrogram[1], c.attr("dct_coefficient_count")))


mfcc = op(
    "Mfcc(spectrogram: float, sample_rate: int32; upper_frequency_limit: float = 4000, "
    "lower_frequency_limit: float = 20, filterbank_channel_count: int = 40, dct_coefficient_count: int = 13) "
    "-> (output: float)",
    shape=_mfcc_shape,
)


@mfcc.kernel
def _(
    xp: Any, spectrogram: Any, sample_rate: Any, *, upper_frequency_limit: float, lower_frequency_limit: float,
    filterbank_channel_count: int, dct_coefficient_count: int,
) -> Any:  # fmt: skip
    if spectrogram.ndim != 3:
        raise invalid(f"spectrogram must be of rank 3, but has shape {list(spectrogram.shape)}")
    if np.ndim(sample_rate):
        raise invalid(f"sample_rate must be a scalar, but has shape {list(np.shape(sample_rate))}")
    counts = {
        "filterbank_channel_count": filterbank_channel_count,
        "dct_coefficient_count": dct_coefficient_count,
    }
    for name, count in counts.items():
        if count < 1:
            raise invalid(f"{name} must be positive, but is {count}")
    if dct_coefficient_count > filterbank_channel_count:
        raise invalid(
            f"{dct_coefficient_count} coefficients cannot come from {filterbank_channel_count} filter banks"
        )
    banks = _filter_banks(
        spectrogram.shape[2],
        int(sample_rate),
        lower_frequency_limit,
        upper_frequency_limit,
        filterbank_channel_count,
    )
    energies = np.sqrt(spectrogram.astype(np.float64)) @ banks
    logarithms = np.log(np.maximum(energies, _FLOOR))
    return (logarithms @ _cosines(filterbank_channel_count, dct_coefficient_count)).astype(np.float32)


def _mel(frequency: Any) -> Any:
    """The Mel scale of frequencies in hertz."""
    return 1127.0 * np.log1p(frequency / 700.0)


@lru_cache(16)
def _filter_banks(bins: int, rate: int, low: float, high: float, channels: int) -> Any:
    """Triangular filters, evenly spaced on the Mel scale: a matrix of frequency bins by channels."""
    if bins < 2 or rate <= 0 or not 0 <= low < high < np.inf:
        raise invalid(
            f"there are no filter banks from {low:g} to {high:g} Hz for {bins} bins at {rate} samples per second"
        )
    per_bin = 0.5 * rate / (bins - 1)
    bottom, span = _mel(low), _mel(high) - _mel(low)
    centers = bottom + span / (channels + 1) * np.arange(1, channels + 2)
    first, last = int(1.5 + low / per_bin), int(high / per_bin)
    banks = np.zeros((bins, channels))
    used = np.arange(first, min(last, bins - 1) + 1)
    mel = _mel(used * per_bin)
    band = np.searchsorted(centers[:channels], mel, side="left") - 1
    lower = np.where(band >= 0, centers[np.maximum(band, 0)], bottom)
    falling = (centers[band + 1] - mel) / (centers[band + 1] - lower)
    inside = band >= 0
    banks[used[inside], band[inside]] += falling[inside]
    rising = band + 1 < channels
    banks[used[rising], band[rising] + 1] += 1 - falling[rising]
    return banks


@lru_cache(16)
def _cosines(channels: int, coefficients: int) -> Any:
    """The discrete cosine transform of type II: a matrix of channels by coefficients."""
    angles = np.pi / channels * np.outer(np.arange(channels) + 0.5, np.arange(coefficients))
    return np.sqrt(2.0 / channels) * np.cos(angles)
