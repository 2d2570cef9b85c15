"""TensorFlow's V2 checkpoint format (since 2016): an index table and data files."""
