"""The function library of a graph: instantiation, calls, and gradients of calls."""
