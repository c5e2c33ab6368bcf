"""``python -m mlcycle``: the same as the ``mlcycle`` command."""

from mlcycle.cli import main

main()
