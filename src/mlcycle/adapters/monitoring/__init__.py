"""What a monitored window is compared with, what was found in it, and its report."""
