"""MLflow, and a model's files with their digests."""
