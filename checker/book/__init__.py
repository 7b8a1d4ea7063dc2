"""Whole books: found from events, proven complete, read in bulk, kept current, and shown."""
