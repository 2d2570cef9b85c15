"""The mechanism: operation registry, attribute binding, shape inference, traits, device support."""
