"""Operation declarations: a folder per domain, a file ``*_ops.py`` per group of operations."""
