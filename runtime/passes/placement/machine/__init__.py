"""Machine descriptions: devices and links."""
