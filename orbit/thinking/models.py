"""What is known of models that leave their thoughts in the text."""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from orbit.thinking.splitter import ThinkingSplitter

logger = logging.getLogger("orbit.thinking")

_ENOUGH: Final = 3
"""Answers without thoughts, in a row, that prove the template does not open them. A schema may suppress a few."""


class Thinking:
    """What one provider knows about how its models mark their thoughts.

    The chat templates of some models end with the opening tag, so their answers contain only a closing one. Until a
    model is known, the splitter holds back an answer that begins like thoughts, until its end or such a tag. If an
    answer begins differently and such a tag follows, its thoughts have already been sent; the model's later answers
    hide theirs.
    """

    def __init__(self, *, opened: bool | None = None) -> None:
        """Set ``opened`` if templates open the thoughts, or leave it None to learn it for each model."""
        self._always = opened
        self._unthinking: dict[str, int] = {}
        """Model whose template opens the thoughts -> answers in a row without thoughts."""
        self._plain: dict[str, int] = {}
        """Any other model -> answers that showed that its template does not open thoughts."""

    def splitter(self, model: str, *, whole: bool = False) -> ThinkingSplitter:
        """Return the splitter for one answer of a model. ``whole``: the client does not stream."""
        if self._always is not None:
            return ThinkingSplitter(opened=self._always)

        opened = model in self._unthinking
        unknown = not opened and not whole and self._plain.get(model, 0) < _ENOUGH
        return ThinkingSplitter(opened=opened, whole=whole, unknown=unknown, learn=partial(self._learn, model))

    def _learn(self, model: str, opens: bool) -> None:
        if opens and model not in self._unthinking:
            logger.warning("answers of %s begin inside its thoughts; ORBIT hides these from now on", model)
        if opens:
            self._unthinking[model] = self._plain[model] = 0
        elif model in self._unthinking:
            self._unthinking[model] += 1
            if self._unthinking[model] == _ENOUGH:
                del self._unthinking[model]
        else:
            self._plain[model] = self._plain.get(model, 0) + 1
