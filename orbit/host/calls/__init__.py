"""Calls hooks with a deadline and through wrappers. Errors name the instance that failed."""
