"""A trained model in other formats beside its own, each checked against the model it came from."""
