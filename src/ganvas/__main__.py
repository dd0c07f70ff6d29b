"""`python -m ganvas` is `ganvas`."""

from .cli import main

main()
