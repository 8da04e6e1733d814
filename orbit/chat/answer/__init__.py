"""The answer: held back until judged, cleaned of made-up citations, verified, with links to its sources."""
