"""Tools: those of the host's providers, called in rounds, and those of clients."""
