"""Parts of ``tfg run``: options, session, steps, resuming, checkpoints, supervision, results."""
