"""What a worker does: the only package of inference that knows the web application."""
