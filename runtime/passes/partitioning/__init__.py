"""From one placed graph to one graph per device, joined by Send and Recv, and how these run together."""
