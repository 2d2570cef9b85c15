"""Random and mutated inputs: each must succeed or fail with a status."""
