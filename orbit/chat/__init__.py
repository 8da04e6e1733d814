"""What one chat turn is made of, from a question to its record."""
