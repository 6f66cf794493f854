"""The models: numpy and torch, files in and files out. Knows no web (docs/design.md, idea 4); only worker/ does."""
