"""PostgreSQL: connections, names, raw tables, predictions and labels, results as Arrow."""
