"""Numerical code that several families of operations share."""
