"""The prompt: system prompt, history, fenced passages and question, within the model's window."""
