"""Matrix products, einsum, decompositions, linear solves, matrix functions."""
