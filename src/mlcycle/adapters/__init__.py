"""The world outside: warehouse, artifact store, ledger, feature store, tracking, reports, alerts."""
