"""How many tokens a prompt takes, without a tokenizer.

Ollama cannot count tokens over its API, so this is an estimate that errs on the high side: a prompt that is thought
too long loses a document, one that is too long is refused by the server.
"""

import re
from collections.abc import Sequence

from orbit import Message

MESSAGE_TOKENS = 8
"""What a chat template puts around one message (role markers, line ends), at most."""

_WORDS = re.compile(r"[A-Za-z]+")
_OTHER_ASCII = re.compile(r"[!-@\[-`{-~\n\t]")
_SPACES = re.compile(r" {2,}| (?=[0-9])")


def estimate(text: str) -> int:
    """Return an upper estimate of the tokens in ``text``.

    One for each word and another for every four letters after the first six; one for each digit, punctuation mark,
    line end, run of spaces and space before a digit; one for each character of other scripts, three for an emoji.
    """
    words = _WORDS.findall(text)
    total = len(words) + sum((len(word) - 3) // 4 for word in words if len(word) > 6)  # noqa: PLR2004  # long words
    total += len(_OTHER_ASCII.findall(text)) + len(_SPACES.findall(text))
    if not text.isascii():
        total += sum(1 if character < "\U00010000" else 3 for character in text if character > "\x7f")
    return total


def estimate_prompt(messages: Sequence[Message]) -> int:
    """Return an upper estimate of the tokens in a conversation, chat template included."""
    return sum(estimate(message.content) + MESSAGE_TOKENS for message in messages) + MESSAGE_TOKENS
