"""``python -m tfg``."""

from .cli.start import main

main()
