"""``tfg completion``: prints the script for command-line completion in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .common.options import common_options

_HOW = {
    "bash": 'eval "$(tfg completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(tfg completion zsh)"   # in ~/.zshrc',
    "fish": "tfg completion fish > ~/.config/fish/completions/tfg.fish",
}


@click.command("completion")
@click.argument("shell", metavar="{bash|zsh|fish}", type=click.Choice(list(_HOW)))
@common_options
def command(shell: str, as_json: bool, verbose: int) -> None:
    """Print the completion script of a shell.

    \b
    eval "$(tfg completion bash)"                 # in ~/.bashrc
    eval "$(tfg completion zsh)"                  # in ~/.zshrc
    tfg completion fish > ~/.config/fish/completions/tfg.fish
    """
    from .common.console import print_json
    from .main import tfg

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(tfg, {}, "tfg", "_TFG_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
