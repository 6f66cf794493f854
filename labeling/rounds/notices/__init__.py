"""Telling people and programs that a round has ended."""
