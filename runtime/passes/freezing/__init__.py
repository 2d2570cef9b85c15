"""Variables made constants, wherever a graph has them: behind references, handles, functions and loops."""
