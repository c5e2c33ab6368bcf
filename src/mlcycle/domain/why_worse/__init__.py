"""Why production is worse than the test: a file a hypothesis, with its figure, its verdict, what to do."""
