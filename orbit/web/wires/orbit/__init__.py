"""``/chat``: ORBIT's own protocol."""
