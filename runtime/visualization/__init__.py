"""Drawings of placed graphs, as SVG and HTML that stand by themselves."""
