"""Training on many workers, simulated from a few numbers (OSDI'16 sections 4.4, 6.2 and 6.3)."""
