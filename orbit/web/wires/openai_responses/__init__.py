"""OpenAI's Responses API: create, read and delete responses."""
