"""What there is to export: every table that holds what is its owner's, and reports made of them."""
