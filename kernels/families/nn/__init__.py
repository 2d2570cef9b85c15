"""Activations, convolutions, pooling, normalisation, softmax, candidate sampling."""
