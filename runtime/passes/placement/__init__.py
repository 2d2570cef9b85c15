"""Which node runs where: what devices there are, what a placement may be, and which one is good."""
