"""The web pages that the server shows people: no build step, no request to any other host."""
