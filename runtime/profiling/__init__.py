"""Reports on traced steps: profiles, timelines, and what a machine can reach."""
