"""Annotation files of other tools brought into a project: a dry run, then one job."""
