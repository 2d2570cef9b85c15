"""Sessions on several tasks: processes with devices of their own, on one machine or many."""
