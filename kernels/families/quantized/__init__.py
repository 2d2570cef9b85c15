"""Quantisation, dequantisation and fake quantisation."""
