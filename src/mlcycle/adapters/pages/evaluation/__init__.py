"""What people are shown of one model's evaluation: a page and a card, both out of its document alone."""
