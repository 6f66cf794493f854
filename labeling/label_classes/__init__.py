"""Merging the classes of a project while people work: what it changes, doing it through the log, taking it back."""
