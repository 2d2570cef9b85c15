"""Passes from Graph to Graph, and the checks and analyses they rely on."""
