"""Cost model: estimated and measured times of nodes and transfers."""
