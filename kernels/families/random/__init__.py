"""Random numbers: stateful, stateless, and from generator variables."""
