"""Resizing, cropping, colour spaces, patches, non-maximum suppression."""
