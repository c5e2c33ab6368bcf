"""Pure: data in, data out. No I/O, no clock, no global state."""
