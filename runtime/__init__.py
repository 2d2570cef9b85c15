"""How a graph runs: passes from Graph to Graph, plans, executor, resources, state."""
