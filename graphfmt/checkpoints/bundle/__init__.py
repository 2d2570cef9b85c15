"""TensorFlow's checkpoint format since 2016 (V2): an index table and data files."""
