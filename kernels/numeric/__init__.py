"""Numerical code that several families of operations share: arrays in, arrays out, without graphs."""
