"""Calls of hooks: each with its deadline, its wrappers, and errors with a name."""
