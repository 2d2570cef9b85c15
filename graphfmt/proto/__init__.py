"""TensorFlow's message schemas, under a protobuf package of our own."""
