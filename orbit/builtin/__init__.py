"""Providers that ship with the host. Like other plugins, they use only the public API."""
