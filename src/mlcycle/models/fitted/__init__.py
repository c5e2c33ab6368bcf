"""Features learnt from training rows, beside what a row has: each kind in a file of its own, kept as JSON."""
