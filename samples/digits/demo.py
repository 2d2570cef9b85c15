"""Trains both networks of this folder with shell commands, and prints the accuracy of each.

``make demo`` runs this; every command is printed before it runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = (
    Path(__file__).parent.relative_to(Path.cwd())
    if Path(__file__).is_relative_to(Path.cwd())
    else Path(__file__).parent
)
OUT = Path("out")


def tfg(arguments: str) -> str:
    """Prints and runs a tfg command; returns its standard output."""
    print(f"\n$ tfg {arguments}", flush=True)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tfg", *shlex.split(arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment,
    )
    print(done.stdout, end="", flush=True)
    return done.stdout


def train(name: str, steps: int) -> float:
    """Trains the network of a text file for some steps; returns its accuracy on the held-out digits."""
    model, graph, state = HERE / f"{name}.pbtxt", OUT / f"{name}-train.pbtxt", OUT / f"{name}.h5"
    state.unlink(missing_ok=True)
    data = HERE / "digits.npz"
    tfg(f"validate {model}")
    tfg(f"grad {model} --loss loss --optimizer adam:learning_rate=1e-3 -o {graph}")
    tfg(
        f"run {graph} --state {state} --init init --target train --steps {steps} --batch 64 --shuffle --fetch loss "
        f"--feed 'x=@{data}[x_train]' --feed 'y=@{data}[y_train]'"
    )
    output = tfg(
        f"run {model} --state {state} --fetch accuracy --feed 'x=@{data}[x_test]' --feed 'y=@{data}[y_test]'"
    )
    return float(output.split("=")[1])


def main() -> None:
    OUT.mkdir(exist_ok=True)
    print("Trains two networks to read handwritten digits: 1438 training images, 359 held out.")
    accuracies = {"mlp": train("mlp", 2000), "conv": train("conv", 1000)}
    print()
    for name, accuracy in accuracies.items():
        print(f"{name:5} accuracy on the held-out digits: {accuracy:.4f}")
    print(
        "\nTo go on:\n"
        f"  tfg show {HERE}/mlp.pbtxt\n"
        f"  tfg run {HERE}/mlp.pbtxt --state {OUT}/mlp.h5 --feed 'x=@{HERE}/digits.npz[x_test]' --fetch digit\n"
        f"  tfg run {OUT}/mlp-train.pbtxt --state {OUT}/mlp.h5 --target train --epochs 5 --batch 64 --fetch loss \\\n"
        f"      --feed 'x=@{HERE}/digits.npz[x_train]' --feed 'y=@{HERE}/digits.npz[y_train]' --profile\n"
        f"  less {HERE}/README.md\n"
        "(tfg is in .venv/bin)"
    )


if __name__ == "__main__":
    main()
