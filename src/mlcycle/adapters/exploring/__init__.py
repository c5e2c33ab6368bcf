"""Exploring rows of the warehouse: reading them, and what is asked of libraries."""
