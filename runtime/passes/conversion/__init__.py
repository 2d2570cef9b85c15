"""Passes that change the extent, the names or the form of a graph, for other programs and other uses."""
