"""What a finished round says: figures, comparisons, drift, exports."""
