"""Alembic migrations of the warehouse's own schemas; run as the owner by ``ledger.migrate``."""
