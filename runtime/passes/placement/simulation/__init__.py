"""Discrete-event simulation of a placed step."""
