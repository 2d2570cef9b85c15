"""Long trials of what must survive everything: ``make torture``. The suite runs a short, fixed part of them."""

from __future__ import annotations

import os

# How much longer than in the suite the trials are; ``make torture`` sets it.
SCALE = int(os.environ.get("TFG_TORTURE", "1"))
