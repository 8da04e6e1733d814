"""Observability for operators: the server log, metrics and their history."""
