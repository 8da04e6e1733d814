"""Readers of the formats: bytes in, sections of text out."""
