"""The file formats, and what a graph is. Nothing in this package runs a graph."""
