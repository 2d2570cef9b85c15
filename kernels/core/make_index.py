"""Writes ``index.py``: ``python -m tfg.kernels.core.make_index``."""

from __future__ import annotations

from pathlib import Path

from . import registry

_HEAD = '''"""Which family declares which operation, so that a process imports the families it needs.

Written by ``python -m tfg.kernels.core.make_index``; a test holds it against the registry. An operation missing
here is found too, only more slowly.
"""

FAMILY_OF: dict[str, str] = {
'''


def families() -> dict[str, str]:
    """Every operation's family."""
    known = set(registry.families())
    return {declared.name: declared.family for declared in registry.all_ops() if declared.family in known}


def text() -> str:
    """The index as a module."""
    lines = [f'    "{name}": "{family}",\n' for name, family in families().items()]
    return _HEAD + "".join(lines) + "}\n"


if __name__ == "__main__":
    Path(__file__).with_name("index.py").write_text(text())
