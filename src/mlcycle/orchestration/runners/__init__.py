"""How a step is started: one module a transport, imported when it is chosen."""
