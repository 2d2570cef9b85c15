"""Dynamic partition and stitch, stacks, TensorArrays, TensorLists, optionals."""
