"""Settings for all tests."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# A sum must not depend on how many threads BLAS shares it over; set before numpy is imported, for child processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests neither read nor fill the user's cache of object code; one folder serves the tests of a machine.
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"tfg-tests-cache-{os.geteuid()}")
