"""The demo: the source systems of two projects, and the reference project's life played on a platform."""
