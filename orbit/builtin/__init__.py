"""Providers that ship with the host. They use the public API only, as any other plugin must."""
