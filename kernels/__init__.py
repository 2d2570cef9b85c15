"""Operations: one declaration each, with signature, shapes, kernels and gradient."""
