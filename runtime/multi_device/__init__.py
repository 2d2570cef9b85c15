"""One step on several devices: rendezvous, executors, plans of parts."""
