"""The watch: rounds on a schedule, bands with memory, and messages that arrive."""
