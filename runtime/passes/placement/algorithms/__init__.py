"""Placement algorithms: greedy, HEFT, ETF, pipeline, annealing."""
