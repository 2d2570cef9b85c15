"""Special functions of one variable."""

from __future__ import annotations

import numpy as np

from ...harness import Case, case, cast, f32, f64, rand, table_tests

NAN = np.nan
BESSEL = ("BesselI0", "BesselI0e", "BesselI1", "BesselI1e", "BesselJ0", "BesselJ1")
BESSEL_POSITIVE = ("BesselK0", "BesselK0e", "BesselK1", "BesselK1e", "BesselY0", "BesselY1")
ANYWHERE = (*BESSEL, "Erf", "Erfc", "Dawsn", "FresnelCos", "FresnelSin")
PROBABILITIES = ("Erfinv", "Ndtri")
POSITIVE = (*BESSEL_POSITIVE, "Expint", "Spence")
X = [0, 0.5, -0.5, 1.5, -3, 6, 1e-3, NAN]
P = [0.5, 0.25, 0.9, 1e-3, 0.999, NAN]
PLUS = [0.5, 1, 1.5, 3, 7.5, 1e-2, NAN]

CASES: list[Case] = [
    *(case(name, f64(X), tol=1e-11, grad=True) for name in ANYWHERE),
    *(case(name, f64(PLUS), tol=1e-11, grad=True) for name in POSITIVE),
    *(case(name, f64([P]), tol=1e-11, grad=True) for name in PROBABILITIES),
    *(case(name, f32(X), tol=1e-5, grad=True) for name in ANYWHERE),
    *(case(name, f32(PLUS), tol=2e-5, grad=True) for name in POSITIVE),
    *(case(name, f32(P), tol=2e-5, grad=True) for name in PROBABILITIES),
    *(case(name, f32(0.5), tol=1e-5, grad=True) for name in (*ANYWHERE, *POSITIVE, *PROBABILITIES)),
    *(case(name, f32([])) for name in (*ANYWHERE, *POSITIVE, *PROBABILITIES)),
    *(case(name, cast("half", PLUS), tol=4e-3) for name in (*BESSEL, *BESSEL_POSITIVE, "Erf", "Erfc")),
    *(case(name, cast("bfloat16", X)) for name in ("Erf", "Erfc")),
    *(case(name, f64([-1, 0, -0.5]), tol=1e-11) for name in (*BESSEL_POSITIVE, "Expint", "Spence")),
    *(case(name, f64([-1, 0, 1, 2, -2])) for name in PROBABILITIES),
    case("Erf", rand(60, 100, low=-6, high=6), tol=1e-6),
    case("Erf", f32([np.inf, -np.inf, 0.0, -0.0] * 5), tol=1e-6),
]

test_values, test_errors, test_shapes, test_gradients = table_tests(CASES)
