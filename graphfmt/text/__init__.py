"""GraphDef text: reader, writer, source locations and diagnostics."""
