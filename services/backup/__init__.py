"""Backups: encrypted archives of the database, proven by restoring them."""
