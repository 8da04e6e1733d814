"""One chat turn, from the question to its record."""
