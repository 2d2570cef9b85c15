"""Passes from Graph to Graph, and the checks and analyses that they use."""
