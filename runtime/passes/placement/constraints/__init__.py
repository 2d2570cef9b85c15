"""Placement constraints: requested devices, colocation, kernel support, pins."""
