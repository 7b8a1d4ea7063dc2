"""Whole books: found, read, kept, shown."""
