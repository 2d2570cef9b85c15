"""Optimizer passes: slots, updates, initialisers, data-parallel replicas."""
