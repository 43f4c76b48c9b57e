"""Statements into the ledger: what they state is kept, matched with the live stream, and folded."""
