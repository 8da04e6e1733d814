"""``python -m orbit`` is ``orbit``."""

from orbit.cli import main

main()
