"""The mechanism: operation registry, attribute binding, shape inference, device support."""
