"""Streaming detectors: values one after the other, and a word when they change."""
