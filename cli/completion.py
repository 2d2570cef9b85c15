"""``tfg completion``: prints the script for command-line completion in a shell."""

from __future__ import annotations

import click

from .common.completion_scripts import SCRIPTS
from .common.options import common_options


@click.command("completion")
@click.argument("shell", metavar="{bash|zsh|fish}", type=click.Choice(list(SCRIPTS)))
@common_options
def command(shell: str, as_json: bool, verbose: int) -> None:
    """Print the completion script of a shell.

    It completes commands, options, the names of nodes and signatures of the graph on the line, operations, optimizers,
    and behind --feed NAME=@ files and the arrays in them.

    \b
    Examples:
      source <(tfg completion bash)                 # in ~/.bashrc
      source <(tfg completion zsh)                  # in ~/.zshrc
      tfg completion fish > ~/.config/fish/completions/tfg.fish
    """
    from .common.console import print_json

    if as_json:
        print_json({"shell": shell, "script": SCRIPTS[shell]})
    else:
        click.echo(SCRIPTS[shell], nl=False)
