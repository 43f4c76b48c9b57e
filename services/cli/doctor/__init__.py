"""What a support person would ask, looked up: each check says how it is, and what to do about it."""
