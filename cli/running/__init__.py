"""Parts of ``tfg run``: resuming, checkpoints while it runs, supervision, the session it makes."""
