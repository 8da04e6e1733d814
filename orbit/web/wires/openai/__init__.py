"""OpenAI's protocol: chat completions, embeddings, models."""
