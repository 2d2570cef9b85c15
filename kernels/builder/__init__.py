"""Authoring graphs, functions and control flow from Python."""
