"""Files of all that is kept, whole and of one moment: for whatever else wants to read it."""
