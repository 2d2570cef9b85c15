"""Parts that several commands share: options, values, console output, tables, progress."""
