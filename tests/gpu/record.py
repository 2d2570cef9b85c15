"""Records what CuPy has, for the stand-in in ``tests/fake_gpu.py``: ``python -m tests.gpu.record`` where CuPy is
installed (no GPU is needed).

A line is a function with its parameters, a ufunc with its dtypes, or a member of CuPy's array. bfloat16 (E), which
only the newest CuPy has, and for little, is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from ..fake_gpu import API


def _parameters(function: Any) -> str:
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(*args, **kwargs)"
    plain = [
        p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None)
        for p in found.parameters.values()
    ]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


def _lines() -> Iterator[str]:
    import cupy  # pyright: ignore[reportMissingImports]
    import cupyx.scipy.special  # pyright: ignore[reportMissingImports]

    modules = {
        "": cupy,
        "linalg.": cupy.linalg,
        "fft.": cupy.fft,
        "lib.stride_tricks.": cupy.lib.stride_tricks,
        "special.": cupyx.scipy.special,
    }
    for prefix, module in modules.items():
        for name, member in sorted(vars(module).items()):
            if name.startswith("_") or isinstance(member, type) or not callable(member):
                continue
            if isinstance(member, cupy.ufunc):
                yield f"{prefix}{name}: {' '.join(loop for loop in member.types if 'E' not in loop)}"
            else:
                yield f"{prefix}{name}{_parameters(member)}"
    yield from (f"ndarray.{name}" for name in dir(cupy.ndarray) if not name.startswith("_"))


def main() -> None:
    API.write_text("\n".join(_lines()) + "\n")


if __name__ == "__main__":
    main()
