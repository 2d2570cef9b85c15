"""SVG elements as text. All text from outside is escaped here."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

# Characters that XML 1.0 cannot represent, even as references.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, *content: str, **attributes: str | float) -> str:
    """Returns an element; ``content`` is SVG. ``class_`` and ``data_block`` stand for ``class`` and
    ``data-block``."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def title(text: str) -> str:
    """Returns a tooltip."""
    return element("title", plain(text))


def text(x: float, y: float, content: str, **attributes: str | float) -> str:
    return element("text", plain(content), x=x, y=y, **attributes)


def plain(content: str) -> str:
    """Escapes text for the content of an element."""
    return escape(_FORBIDDEN.sub("\ufffd", content))


def number(value: float) -> str:
    """Formats a coordinate to a tenth of a pixel."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def _value(value: str | float) -> str:
    return _FORBIDDEN.sub("\ufffd", value) if isinstance(value, str) else number(value)


def path(points: list[tuple[float, float]], *, bow: float = 0.5) -> str:
    """Returns path data that leaves and enters every point vertically."""
    (x, y), *others = points
    data = [f"M{number(x)} {number(y)}"]
    for to_x, to_y in others:
        if abs(to_x - x) < 0.05:
            data.append(f"V{number(to_y)}")
        else:
            bend = (to_y - y) * bow
            data.append(
                f"C{number(x)} {number(y + bend)} {number(to_x)} {number(to_y - bend)} "
                f"{number(to_x)} {number(to_y)}"
            )
        x, y = to_x, to_y
    return "".join(data)


def shortened(content: str, width: float, size: float) -> str:
    """Shortens text in the middle to an estimated width, keeping twice as much of its end as of its start."""
    most = max(3, int(width / (size * 0.58)))
    if len(content) <= most:
        return content
    head = (most - 1) // 3
    return f"{content[:head]}…{content[len(content) - (most - 1 - head) :]}"


def last_scopes(name: str, width: float, size: float) -> str:
    """Drops outer scopes of a node's name until it fits; many names share them."""
    most = int(width / (size * 0.58))
    while len(name) > most and "/" in name.removeprefix("…/"):
        name = "…/" + name.removeprefix("…/").split("/", 1)[1]
    return shortened(name, width, size)
