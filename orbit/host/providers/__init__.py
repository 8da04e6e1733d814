"""Provider instances: registered, started, kept over a reload, checked and stopped."""
