"""Where an account's gain came from: what is stored of two moments and of the time between them."""
