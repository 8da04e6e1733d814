"""The web pages for people: no build step, no request to any other host."""
