"""The steps: one module each, with ``run(context) -> Outcome``. Steps never import each other."""
