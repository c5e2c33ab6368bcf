"""Taking away what nobody needs any more: rows by their age, files by what the ledger leads to."""
