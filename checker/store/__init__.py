"""What is kept over restarts: one database for books, bands and messages."""
