"""What people say about each other's work: comments pinned to a cell, a place or an image."""
