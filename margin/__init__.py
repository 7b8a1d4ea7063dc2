"""Pure values and mathematics of margin accounts: no I/O, no clock, no protocol."""
