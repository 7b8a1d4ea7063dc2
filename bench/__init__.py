"""Benchmarks: each row a ratio of two ways of doing one thing, measured in turns in one run.

Times of one machine say little on another; a ratio inside one run says more. `make bench` measures
every row, prints the table and writes `RESULTS.md` beside this file. To add a row, add a file to
`rows/` with one function `measure(stage)` that yields it.
"""
