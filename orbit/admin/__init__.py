"""Administration of API keys and system prompts, over HTTP or directly on the database."""
