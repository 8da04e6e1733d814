"""``/v1``: the wire that OpenAI's clients speak."""
