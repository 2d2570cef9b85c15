"""Branches and loops of Switch, Merge, Enter, Exit and NextIteration, as far as they can run as Python's own."""
