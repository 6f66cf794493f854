"""What the workspace in the browser reads."""
