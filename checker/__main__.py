"""`python -m checker` is `crossmargin`."""

from checker.cli import main

main()
