"""From Graph to executable plan: typed graph, liveness, segmentation, lowering, control flow."""
