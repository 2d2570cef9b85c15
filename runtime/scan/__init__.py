"""Facts about a graph before it runs: its effects outside of the session, loops without a bound, time and memory."""
