"""The routes around the chat: health, metrics, schema, conversations, plugins."""
