from __future__ import annotations

import numpy as np

from ...harness import case, f32, i32, rand, table_tests

CASES = [
    case("AudioSpectrogram", rand(40, 2), window_size=8, stride=4, tol=1e-5),
    case("AudioSpectrogram", rand(40, 1), window_size=10, stride=7, magnitude_squared=True, tol=1e-5),
    case("AudioSpectrogram", rand(5, 1), window_size=8, stride=4),
    case("AudioSpectrogram", rand(9, 3), window_size=9, stride=1, tol=1e-5),
    case(
        "AudioSpectrogram",
        rand(9),
        window_size=8,
        stride=1,
        error="INVALID_ARGUMENT: 'input' must be of rank",
    ),
    case("AudioSpectrogram", rand(9, 1), window_size=1, stride=1, error="INVALID_ARGUMENT: window_size"),
    case(
        "AudioSpectrogram",
        rand(9, 1),
        window_size=4,
        stride=0,
        error="INVALID_ARGUMENT: stride must be positive",
    ),
    case("Mfcc", rand(1, 3, 513, low=0, high=9), i32(22050), tol=1e-5),
    case("Mfcc", rand(2, 1, 129, low=0, high=9), i32(16000), dct_coefficient_count=10, tol=1e-5),
    case("Mfcc", rand(1, 2, 65, low=0, high=9), i32(8000), filterbank_channel_count=20, tol=1e-5),
    case("Mfcc", rand(1, 2, 65, low=0, high=9), i32(8000), upper_frequency_limit=3000.0, tol=1e-5),
    case("Mfcc", np.zeros((1, 2, 65), np.float32), i32(8000), tol=1e-5),
    case("Mfcc", f32([[1, 2]]), i32(8000), error="INVALID_ARGUMENT: 'spectrogram' must be of rank"),
    case("Mfcc", rand(1, 2, 65), i32([8000]), error="INVALID_ARGUMENT: 'sample_rate' must be of rank"),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
