"""The years before a book's first day, as the broker's statements tell them."""
