"""Statements of the broker: Flex XML to typed rows, and trade rows to what the ledger folds."""
