"""Feature views: their SQL, their tables, and Feast's registry and online store."""
