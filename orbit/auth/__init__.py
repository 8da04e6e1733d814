"""Authentication: API keys, rate limits, the admin token and sign-ins."""
