"""``python -m tfg``."""

from .cli.main import main

main()
