"""Channels that alerts leave by."""
