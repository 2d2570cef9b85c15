"""Settings for all tests."""

from __future__ import annotations

import os

# A sum must not depend on how many threads BLAS shares it over; set before numpy is imported, for child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
