"""Freezing: variables become constants, through references, resource handles, functions and loops."""
