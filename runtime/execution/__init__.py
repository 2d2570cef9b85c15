"""Sessions and steps: scheduler, executor, resources, state lock, tracing."""
