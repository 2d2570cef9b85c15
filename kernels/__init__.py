"""What an operation does: one declaration each, with signature, shapes, kernels and gradient."""
