"""Tests of the documentation: its examples run, its names exist, its tables are complete."""
