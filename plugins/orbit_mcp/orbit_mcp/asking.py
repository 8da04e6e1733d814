"""What servers may ask of their client: an answer of the model, or of the user. Only if the operator allows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from orbit import CallContext, GenerateOptions, Host, Message, ProviderError

logger = logging.getLogger("orbit.mcp")

_TOKENS: Final = 1024
"""Most tokens of an answer for a server."""
_CHARS: Final = 20_000
"""Most characters of a server's question."""
SHARE: Final = 0.8
"""How much of the time for a call of a tool the model may take that the server asks meanwhile."""


def sampling(name: str, host: Host, seconds: float) -> Callable[..., Any]:
    """Return the callback that answers a server's questions to the model, each within so many seconds."""

    async def ask(_: Any, params: Any) -> Any:
        import mcp_types as types  # noqa: PLC0415  # importing the plugin stays cheap

        messages = [
            Message("assistant" if message.role == "assistant" else "user", text)
            for message in params.messages
            if (text := getattr(message.content, "text", ""))
        ]
        if params.system_prompt:
            messages.insert(0, Message("system", params.system_prompt))
        if not messages or sum(len(message.content) for message in messages) > _CHARS:
            return types.ErrorData(code=types.INVALID_PARAMS, message=f"Ask with texts of up to {_CHARS} characters.")
        options = GenerateOptions(max_tokens=min(params.max_tokens or _TOKENS, _TOKENS), temperature=params.temperature)
        text = ""
        context = CallContext(f"mcp-{name}").within(seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(host.generate(messages, options, context)) as chunks,
            ):
                async for chunk in chunks:
                    text += chunk.text
        except (TimeoutError, ProviderError) as error:
            logger.warning(
                "the MCP server %s got no answer of the model: %s", name, str(error) or f"none within {seconds:g} s"
            )
            return types.ErrorData(code=types.INTERNAL_ERROR, message="The model gives no answer at the moment.")
        content = types.TextContent(type="text", text=text)
        return types.CreateMessageResult(role="assistant", content=content, model="orbit", stop_reason="endTurn")

    return ask


def elicitation(answers: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the callback that answers a server's questions to its user with what the operator has decided."""

    async def ask(_: Any, params: Any) -> Any:
        import mcp_types as types  # noqa: PLC0415  # importing the plugin stays cheap

        wanted = (getattr(params, "requested_schema", None) or {}).get("properties", {})
        if not wanted or not set(wanted) <= set(answers):
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content={field: answers[field] for field in wanted})

    return ask
