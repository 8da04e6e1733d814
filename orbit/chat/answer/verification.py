"""Checks an answer against what the model was given: ``answers.verify``."""

from __future__ import annotations

from collections.abc import Callable

from orbit.chat.answer.claims import Sources
from orbit.chat.journal import Journal
from orbit.chat.outcome import EndsEarly, Refused
from orbit.chat.prompt.prompting import Prompt
from orbit.chat.turn import Turn
from orbit.config.model import Answers


class Verification:
    """Looks up the numbers, names and addresses of answers from passages. Other answers pass."""

    def __init__(self, settings: Answers) -> None:
        self._settings = settings
        self.withholds = settings.verify == "withhold"

    def check(self, prompt: Prompt, turn: Turn) -> Callable[[str], None] | None:
        """Return what raises EndsEarly for a sentence with an unsupported claim; None if answers need no check."""
        if not (self.withholds and prompt.documents):
            return None
        sources: Sources | None = None
        apart = ""

        def look(sentence: str) -> None:
            nonlocal sources, apart
            sources = sources or _sources(prompt, turn)
            if missing := sources.missing(sentence):
                raise EndsEarly(Refused(apart + self._settings.withheld, reason=_reason(missing)))
            apart = "\n\n"

        return look

    def mark(self, prompt: Prompt, turn: Turn, journal: Journal) -> str:
        """Return what to add to a whole answer: a sentence that names the claims that nothing supports, or nothing."""
        if self._settings.verify != "mark" or not prompt.documents:
            return ""
        missing = _sources(prompt, turn).missing("".join(journal.text))
        if not missing:
            return ""
        journal.unsupported = _reason(missing)
        added = "\n\n" + self._settings.mark.replace("{claims}", ", ".join(missing))
        journal.text.append(added)
        return added


def _sources(prompt: Prompt, turn: Turn) -> Sources:
    passages = [text for one in prompt.documents for text in (one.text, one.title, one.source, one.link)]
    facts = [str(value) for one in prompt.documents for value in one.metadata.values()]
    # System prompt, history and results of tools as the model has read them; the question also without its fence.
    said = [message.content for message in (*prompt.messages[:-1], *turn.later)]
    return Sources([*passages, *facts, turn.question, *said])


def _reason(missing: list[str]) -> str:
    return f"in no passage: {', '.join(missing)}"
