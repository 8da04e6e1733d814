"""Runs a configuration: finds, loads, starts and calls its plugins."""
