"""Byte strings: splitting, joining, formatting, hashing, regular expressions, encodings."""
