"""A project drafted for data that nobody has described: what a look concludes, and how sure it is."""
