"""Annotation files of other tools. Needs neither torch nor Django."""
