"""Graphs and their file formats. Nothing in this package runs a graph."""
