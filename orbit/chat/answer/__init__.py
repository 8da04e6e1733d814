"""Holds an answer back until it is judged, removes made-up citations, verifies claims and links sources."""
