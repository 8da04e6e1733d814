"""Who asks: API keys, the admin token, operators' sign-ins."""
