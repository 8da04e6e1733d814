"""Estimates the tokens of a prompt without a tokenizer.

Ollama's API cannot count tokens. The estimate is rather too high: overestimating a prompt drops a document,
underestimating it makes the server reject the request.
"""

import re
from collections.abc import Sequence

from orbit import GenerateOptions, Message
from orbit.upstreams import beside_text

MESSAGE_TOKENS = 8
"""The most that a chat template adds to a message (role markers, line ends)."""

_WORDS = re.compile(r"[A-Za-z]+")
_OTHER_ASCII = re.compile(r"[!-@\[-`{-~\n\t]")
_SPACES = re.compile(r" {2,}| (?=[0-9])")


def estimate(text: str) -> int:
    """Return an upper estimate of the tokens in ``text``.

    Count one per word and one more for every four letters after the first six; one per digit, punctuation mark, line
    end, run of spaces and space before a digit; one per character of other scripts, three per emoji.
    """
    words = _WORDS.findall(text)
    total = len(words) + sum((len(word) - 3) // 4 for word in words if len(word) > 6)  # noqa: PLR2004  # long words
    total += len(_OTHER_ASCII.findall(text)) + len(_SPACES.findall(text))
    if not text.isascii():
        total += sum(1 if character < "\U00010000" else 3 for character in text if character > "\x7f")
    return total


def estimate_prompt(messages: Sequence[Message], options: GenerateOptions) -> int:
    """Return an upper estimate of the tokens in a conversation, including the chat template and the tools."""
    text, attached = beside_text(messages, options)
    size = estimate(text) + attached
    return size + sum(estimate(message.content) + MESSAGE_TOKENS for message in messages) + MESSAGE_TOKENS
