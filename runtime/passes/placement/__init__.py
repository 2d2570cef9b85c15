"""Placement: assigns a device to every node, from machine descriptions, constraints and costs."""
