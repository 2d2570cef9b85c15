"""Loops over elements, compiled to native code: expressions, their emitters, and what runs them."""
