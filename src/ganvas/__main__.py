"""`python -m ganvas` is `ganvas`."""

from .apps.cli import main

main()
