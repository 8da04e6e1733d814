"""HTML, as browsers read it."""
