"""A project's year, day by day: see ``__main__``."""
