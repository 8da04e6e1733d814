"""Processes and sockets: uvicorn, workers, TLS, systemd."""
