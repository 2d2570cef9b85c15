"""Gradients and optimizers as passes: from a loss to the nodes of a training step."""
