"""UnicodeScript: the script of code points (unicode_script_op.cc in TensorFlow)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import shapes
from ...core.registry import Family
from ...core.traits import GpuSupport
from .unicode_scripts import scripts_of

family = Family(__name__, gpu=GpuSupport.NONE)
op = family.op

script = op("UnicodeScript(input: int32) -> (output: int32)", shape=shapes.like_input, allocates_output=True)


@script.kernel
def _(xp: Any, input: Any) -> Any:
    return scripts_of(np.asarray(input))
