"""``tfg help``: shows a page of the documentation, the help of a command, or the whole as a man page."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import click

from .common.options import common_options

# Beside the packages, in the repository as in an installation.
DOCS = Path(__file__).parent.parent / "docs"
_WIDEST = 100


def _complete_topic(context: click.Context, parameter: click.Parameter, word: str) -> list[str]:
    from .main import COMMANDS

    topics = [*(path.stem for path in sorted(DOCS.glob("*.md")) if path.stem != "README"), *COMMANDS]
    return [topic for topic in topics if topic.startswith(word)]


@click.command("help")
@click.argument("topic", required=False, shell_complete=_complete_topic)
@click.option("--man", is_flag=True, help="Write a man page of all commands to standard output.")
@common_options
def command(topic: str | None, man: bool, as_json: bool, verbose: int) -> None:
    """Show a page of the documentation, or the help of a command.

    Without TOPIC, lists the topics. On a terminal a page is laid out and shown in the pager ($PAGER); otherwise it is
    printed as it is, in Markdown.

    \b
    Examples:
      tfg help
      tfg help format
      tfg help run
      tfg help --man | man -l -
    """
    from .common.console import print_json

    pages = {path.stem.lower(): path for path in sorted(DOCS.glob("*.md")) if path.stem != "README"}
    titles = {name: title(path) for name, path in pages.items()}
    text = _man_page(titles) if man else None if topic is None else _page(topic, pages)
    if as_json:
        topics = [{"name": name, "title": text} for name, text in titles.items()]
        print_json({"topic": topic, "text": text, "topics": topics})
    elif text is None:
        _list_topics(titles)
    elif sys.stdout.isatty() and not man:
        click.echo_via_pager(_laid_out(text), color=True)
    else:
        click.echo(text, nl=False)


def _man_page(titles: dict[str, str]) -> str:
    from .common.man_page import man_page
    from .main import tfg

    return man_page(tfg, list(titles.items()))


def title(page: Path) -> str:
    """Returns the heading of a page."""
    with page.open(encoding="utf-8") as lines:
        return next(lines).strip("# \n")


def _list_topics(titles: dict[str, str]) -> None:
    from .common.console import say
    from .common.tables import print_table

    print_table(list(titles.items()), indent=0)
    say("\ntfg help TOPIC shows a page; the name of a command is a topic too.")


def _page(topic: str, pages: dict[str, Path]) -> str:
    """Returns the text of a page, named in full or by one of the words of its name, or the help of a command.

    Raises UsageError for an unknown topic.
    """
    from ..graphfmt.names import did_you_mean
    from .common.console import UsageError
    from .main import COMMANDS

    name = topic.lower().removesuffix(".md")
    if name in COMMANDS:
        return _command_help(name)
    found = [name] if name in pages else [other for other in pages if name in other.split("-")]
    if len(found) != 1:
        known = [*pages, *COMMANDS]
        hint = did_you_mean(name, known) or f"tfg help lists the topics: {', '.join(pages)}"
        raise UsageError(f"there is no topic {topic!r}", hint)
    return pages[found[0]].read_text(encoding="utf-8")


def _command_help(name: str) -> str:
    from .main import tfg

    parent = click.Context(tfg, info_name="tfg", **tfg.context_settings)
    found = tfg.get_command(parent, name)
    assert found is not None
    with click.Context(found, info_name=name, parent=parent) as context:
        return f"{found.get_help(context)}\n"


def _laid_out(text: str) -> str:
    """Returns a page with its headings, tables and examples laid out for a terminal."""
    if text.startswith("Usage:"):
        return text
    from rich.console import Console
    from rich.markdown import Markdown

    width = min(Console().width, _WIDEST)
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    # A fence with a file name after its language is no language to rich.
    console.print(Markdown(re.sub(r"^```(\w+) \S+$", r"```\1", text, flags=re.MULTILINE)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
