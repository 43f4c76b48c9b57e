"""Messages to people: what is told of what stands wrong, and how it gets there."""
