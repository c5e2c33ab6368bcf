"""A project's own upkeep, by its people's command: brought in line with its file, emptied, taken away."""
