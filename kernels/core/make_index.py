"""Writes ``index.py``: ``python -m tfg.kernels.core.make_index``."""

from __future__ import annotations

from pathlib import Path

from . import registry
from .traits import Role

_HEAD = '''"""Operations by name and by role, so that a process imports only the families that it needs.

Written by ``python -m tfg.kernels.core.make_index``; a test holds it against the declarations. An operation that is
missing here is found too, only more slowly.
"""

'''


def text() -> str:
    """Returns the index as the text of a module."""
    known = set(registry.families())
    declared = [op for op in registry.all_ops() if op.family in known]
    lines = [_HEAD, "# The family that declares an operation.\n", "FAMILY_OF: dict[str, str] = {\n"]
    lines += [f'    "{op.name}": "{op.family}",\n' for op in declared]
    lines += [
        "}\n\n",
        "# The operations of each role but COMPUTATION.\n",
        "OPS_OF_ROLE: dict[str, list[str]] = {\n",
    ]
    for role in Role:
        names = ", ".join(f'"{op.name}"' for op in declared if op.role is role)
        lines += [f'    "{role.name}": [{names}],\n'] if role is not Role.COMPUTATION else []
    return "".join([*lines, "}\n"])


if __name__ == "__main__":
    Path(__file__).with_name("index.py").write_text(text())
