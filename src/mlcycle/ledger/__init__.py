"""The ledger: PostgreSQL tables that hold what must never be wrong.

One module an idea; every function takes a cursor, so that the caller decides what commits together.
"""
