"""Parts that the signatures of dataset operations have in common."""

OUTPUTS = "output_types: list(type) >= 1, output_shapes: list(shape) >= 1"
METADATA = 'metadata: string = "") -> (handle: variant)'
DETERMINISTIC = 'deterministic: string = "default"'
