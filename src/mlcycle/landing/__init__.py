"""Where producers put events over HTTP (docs/events.md)."""
