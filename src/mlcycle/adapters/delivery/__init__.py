"""Deliveries: fetched from a source, split into cells, checked against what a table declares."""
