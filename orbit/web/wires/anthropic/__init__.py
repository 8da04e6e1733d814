"""``/v1/messages``: the protocol of Anthropic's Messages API."""
