"""Which family declares which operation, so that a process imports the families it needs.

Written by ``make index``; a test holds it against the registry. An operation missing here is found too,
only more slowly.
"""

FAMILY_OF: dict[str, str] = {}
