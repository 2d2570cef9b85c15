"""TFRecord files, and the event files made of them."""
