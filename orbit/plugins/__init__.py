"""Plugins: found by metadata, imported when enabled, verified, started, selected and called by name."""
