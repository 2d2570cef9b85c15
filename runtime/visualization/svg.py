"""Elements of SVG as text. Names may be anything, so whatever comes from outside is escaped here."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

# What XML 1.0 has no way to write, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, *content: str, **attributes: str | float) -> str:
    """An element; ``content`` is SVG already. Attributes are written ``class_`` and ``data_block`` where Python or
    its identifiers do not allow the name."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_value(value))}"
        for key, value in attributes.items()
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def title(text: str) -> str:
    """What shows where the pointer rests."""
    return element("title", plain(text))


def text(x: float, y: float, content: str, **attributes: str | float) -> str:
    return element("text", plain(content), x=x, y=y, **attributes)


def plain(content: str) -> str:
    """Text as the content of an element."""
    return escape(_FORBIDDEN.sub("\ufffd", content))


def number(value: float) -> str:
    """A tenth of a pixel is enough."""
    written = f"{value:.1f}".removesuffix(".0")
    return "0" if written == "-0" else written


def _value(value: str | float) -> str:
    return _FORBIDDEN.sub("\ufffd", value) if isinstance(value, str) else number(value)


def path(points: list[tuple[float, float]], *, bow: float = 0.5) -> str:
    """The data of a path that leaves and enters every point vertically."""
    (x, y), *others = points
    made = [f"M{number(x)} {number(y)}"]
    for to_x, to_y in others:
        if abs(to_x - x) < 0.05:
            made.append(f"V{number(to_y)}")
        else:
            bend = (to_y - y) * bow
            made.append(
                f"C{number(x)} {number(y + bend)} {number(to_x)} {number(to_y - bend)} "
                f"{number(to_x)} {number(to_y)}"
            )
        x, y = to_x, to_y
    return "".join(made)


def shortened(content: str, width: float, size: float) -> str:
    """Text cut in its middle, where two thirds of it are kept behind, to what fits; widths are estimates, because
    the font is the reader's."""
    most = max(3, int(width / (size * 0.58)))
    if len(content) <= most:
        return content
    head = (most - 1) // 3
    return f"{content[:head]}…{content[len(content) - (most - 1 - head) :]}"


def last_scopes(name: str, width: float, size: float) -> str:
    """A node's name without as many of its outer scopes as do not fit; they are what many names have in common."""
    most = int(width / (size * 0.58))
    while len(name) > most and "/" in name.removeprefix("…/"):
        name = "…/" + name.removeprefix("…/").split("/", 1)[1]
    return shortened(name, width, size)
