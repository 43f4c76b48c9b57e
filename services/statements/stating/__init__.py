"""Rows of a Flex file to what they state: one module for each kind of section."""
