"""Requests for colocation: the attribute ``_class``, with entries ``loc:@node``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from ...graphfmt.graph import Node


def without_lost_requests(node: Node, names: Collection[str]) -> Node:
    """Returns a node without colocation requests (``loc:@name``) for nodes that are gone."""
    wanted = node.attrs.get("_class")
    if not isinstance(wanted, tuple):
        return node
    left = tuple(item for item in wanted if not _is_lost(item, names))
    if left == wanted:
        return node
    attrs = {key: value for key, value in node.attrs.items() if key != "_class"}
    return replace(node, attrs={**attrs, "_class": left} if left else attrs)


def _is_lost(item: object, names: Collection[str]) -> bool:
    return isinstance(item, bytes) and item.startswith(b"loc:@") and item[5:].decode() not in names
