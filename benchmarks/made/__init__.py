"""Ledgers that benchmarks measure on."""
