"""Requests to addresses that somebody typed: guarded, so that nobody reaches through this program what it alone can."""
