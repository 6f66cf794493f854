"""Backups: one file with a consistent dump of the database, the files of the storage and the hash of each."""
