"""The tests, in rooms that mirror the packages; a package itself so that `tests.faults` can be imported."""
