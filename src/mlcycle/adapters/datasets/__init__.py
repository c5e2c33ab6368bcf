"""Rows as they could be predicted, and the immutable snapshots that training reads."""
