"""Variables of both kinds, their updates, and optimizers."""
