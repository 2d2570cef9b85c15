"""SavedModels and MetaGraphs: signatures and initialisation."""
