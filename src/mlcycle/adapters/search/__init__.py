"""Searches over parameters: Optuna, its studies in PostgreSQL, its runs in MLflow."""
