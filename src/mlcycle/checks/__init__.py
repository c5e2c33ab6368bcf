"""What can be known of a project before it runs: every mistake, by file, line and key."""

from mlcycle.checks.every import check_file

__all__ = ["check_file"]
