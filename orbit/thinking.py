"""Separates a model's thoughts from its answer while the text arrives.

Some servers leave the thoughts in the text, between tags that differ by model. ``Thinking`` belongs to a provider and
remembers what it learned about its models; ``ThinkingSplitter`` reads one answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Literal, Self, TypeAlias

logger = logging.getLogger("orbit.thinking")

_NAME: Final = r"(?:[a-z]{1,12}[:_])?(?:think|thought)[a-z_]{0,12}|reasoning|reflection|scratchpad"
"""<think>, <thinking>, <thought> (Gemini), <seed:think>, <longcat_think> and similar tags."""
_PAIRS: Final = {
    "[think]": "[/think]",  # Magistral, in capitals
    "◁think▷": "◁/think▷",  # Kimi
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",  # Command A, in capitals
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|channel>": "<channel|>",  # Gemma 4
    "<unused94>": "<unused95>",  # MedGemma
}
"""Opening tag -> closing tag, in lower case."""
_HARMONY: Final = (
    "<|channel|>",
    "<|start|>assistant<|channel|>",
    "<|start|>assistant<|message|>",
    "analysis<|message|>",
    "commentary<|message|>",
    "final<|message|>",
)
"""Beginnings of an answer in the harmony format (gpt-oss); they depend on how much of it the prompt contains."""
_STRIPPED: Final = ("analysis", "assistantfinal")
"""Remains of harmony's marks when a server removes the special tokens: "analysisThe user ...assistantfinal"."""
_FINAL: Final = "<|channel|>final<|message|>"
_HARMONY_PROMPT: Final = "<|start|>assistant"
"""The end of a prompt in the harmony format."""
_RESPONSES: Final = {
    "<|start_response|>": "<|end_response|>",  # Command A, in capitals
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<answer>": "</answer>",  # Hunyuan
}
"""Marks around the answer after the thoughts, in lower case."""
_LONGEST: Final = 40
"""Characters of the longest tag."""
_MOST_HELD: Final = 400_000
"""Characters of an answer to hold back at most."""
_WINDOW: Final = 1024
"""Characters of an answer to search at once."""


def _any_of(texts: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, texts))


_ATTRIBUTES: Final = r"(?:\s[^<>\n]{0,100})?"
_OPENING: Final = re.compile(
    rf"<(?P<name>{_NAME}){_ATTRIBUTES}(?<!/)>|(?P<mark>{_any_of(tuple(_PAIRS))})", re.IGNORECASE
)
_CLOSING: Final = re.compile(rf"</(?:{_NAME})>|{_any_of((*_PAIRS.values(), _FINAL))}", re.IGNORECASE)
_TAG: Final = re.compile(rf"{_OPENING.pattern}|(?P<closing>{_CLOSING.pattern})", re.IGNORECASE)
_UNFINISHED: Final = re.compile(rf"</?[a-z:_]{{0,30}}|<(?:{_NAME}){_ATTRIBUTES}", re.IGNORECASE)
_BEGINNINGS: Final = (*_RESPONSES, *_PAIRS, *_PAIRS.values(), *_HARMONY, _STRIPPED[0])
_QUOTES: Final = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "«": "»", "(": ")"}
_MARK: Final = re.compile(r"<\|(start|channel|message|end|return|call|constrain)\|>")
_MARKS: Final = tuple(f"<|{name}|>" for name in ("start", "channel", "message", "end", "return", "call", "constrain"))

_LIKE_THOUGHTS: Final = (
    *("okay,", "okay ", "ok,", "ok ", "alright,", "hmm", "the user ", "we need to ", "we are given "),
    *("嗯", "好的", "用户"),
)
"""Typical first words of thoughts, in lower case. Answers may begin so, too: hold them back only while the model is
unknown.
"""
_ENOUGH: Final = 3
"""Answers without thoughts, in a row, that prove the template does not open them. A schema may suppress a few."""

Split: TypeAlias = tuple[str, str]
"""The parts of a text that belong to the answer and to the thoughts."""


class ThinkingSplitter:
    """Splits the text of one response into answer and thoughts.

    Thoughts precede the answer, so a tag later in the text stays where it is. The splitter holds back only what may be
    the beginning of a tag.
    """

    def __init__(
        self,
        *,
        opened: bool = False,
        whole: bool = False,
        unknown: bool = False,
        learn: Callable[[bool], None] | None = None,
    ) -> None:
        """Set up a splitter.

        ``opened``: the prompt ends with the opening tag, so the text begins inside the thoughts. ``whole``: hold the
        answer back until its end, for clients that do not stream. A closing tag without an opening one then still
        removes the text before it from the answer. ``unknown``: do the same for a text that begins like thoughts
        ("Okay, the user ..."). ``learn`` is called with True if there was such a tag, and with False if there was none.
        """
        self._opened = opened
        self._unknown = unknown
        self._whole = whole
        self._learn = learn
        self._state: Literal["begin", "thoughts", "harmony", "whole", "response", "answer"] = "begin"
        self._held = ""
        self._tags = _TAG
        self._tag = "</think>"
        self._before = ""
        """The last characters of the thoughts that were read."""
        self._depth = 0
        """Opening tags within the thoughts whose closing tag is to come."""
        self._doubtful: list[str] | None = None
        """The text after a closing tag that may belong to the thoughts: it is the answer if no other tag follows."""
        self._in_code = False
        """Whether that tag seems to be part of code."""
        self._fenced = False
        """Whether the thoughts are in a block of code."""
        self._response_end = ""
        self._responds = False
        """Whether the answer between marks has begun."""
        self._kept: list[str] | None = None
        self._size = 0
        """Characters held back until the end of the answer."""
        self._part: Literal["header", "between", "final", "other"] = "header"
        self._header = ""
        self._has_thought = False
        self._watches = learn is not None and not opened
        self._window = ""
        self._suspects = False
        self._ticks = 0

    @classmethod
    def after(cls, prompt: str, *, whole: bool = False) -> Self:
        """Return the splitter for the text after a prompt, which may end inside the thoughts.

        ``whole`` is as in the constructor.
        """
        opening = _open_tag(prompt)
        splitter = cls(whole=whole)
        if opening is not None:
            splitter.add(opening[0])
        return splitter

    @staticmethod
    def answer_prefix(prompt: str) -> str:
        """Return the text to append to a prompt so that the answer begins without thoughts; often empty."""
        if prompt.endswith(_HARMONY_PROMPT):
            return _FINAL
        opening = _open_tag(prompt)
        return "" if opening is None else f"\n{_closing_tag(opening)}\n\n"

    @staticmethod
    def marks(controls: Iterable[str]) -> frozenset[str]:
        """Return the control tokens that separate thoughts from the answer. The text to split must contain them."""
        known = frozenset(controls)
        harmony = _MARKS if "<|channel|>" in known else ()
        return frozenset(text for text in known if text in harmony or _TAG.fullmatch(text))

    def add(self, text: str) -> Split:
        """Add ``text`` and return everything that is now certain."""
        if self._state == "answer":
            if self._watches:
                self._watch(text)
            return text, ""
        if self._state == "whole" and self._kept is not None:
            self._kept.append(text)
            self._size += len(text)
            return ("", "") if self._size <= _MOST_HELD else self._give_up()
        self._held += text
        return self._split()

    @property
    def thoughts_end(self) -> str:
        """The mark that would end the current thoughts, as the model would write it; empty outside of thoughts."""
        if self._state == "harmony" and self._part == "other":
            return f"<|end|>{_HARMONY_PROMPT}{_FINAL}"
        return f"\n{self._tag}\n\n" if self._state == "thoughts" else ""

    def rest(self, *, cut: bool = False) -> Split:
        """Return the remaining text at the end of the answer. ``cut``: the model ran out of tokens.

        If the model stopped by itself without a closing tag, ``opened`` was wrong: all text then belongs to the answer,
        although ``add`` returned it as thoughts.
        """
        held, self._held = self._held, ""
        if self._state == "thoughts":
            return self._rest_of_thoughts(held, cut=cut)
        if self._state == "whole" and self._kept is not None:
            return self._split_whole("".join(self._kept))
        if self._state == "harmony" and self._part in ("header", "other"):
            return "", held
        if self._state == "response" and held.strip().lower() == self._response_end:
            return "", ""
        if self._state == "answer" and self._watches:
            self._tell(opened=False)
        return held, ""

    def _rest_of_thoughts(self, held: str, *, cut: bool) -> Split:
        self._read_thought(held)
        self._end_line()
        if self._doubtful is not None and (self._kept is None or self._fenced or not self._in_code):
            if self._kept is not None:
                self._tell(opened=True)
            return "".join(self._doubtful).lstrip(), ""
        if self._kept is None or (cut and not self._unknown):
            return "", held
        self._tell(opened=False)
        return "".join(self._kept), ""

    def _split(self) -> Split:
        answer, thoughts = "", ""
        while True:
            state = self._state
            if state == "begin":
                answer += self._begin()
            elif state == "thoughts":
                thoughts += self._think()
            elif state == "response":
                return answer + self._respond(), thoughts
            elif state == "harmony":
                said, thought = self._read_harmony()
                return answer + said, thoughts + thought
            if self._state == state:
                return answer, thoughts

    def _begin(self) -> str:
        """Decide what the text begins with, as far as that is certain."""
        begun = self._held.lstrip()
        while (closing := _CLOSING.match(begun)) and not begun.startswith(_HARMONY):  # empty thoughts
            begun = begun[closing.end() :].lstrip()
            self._thought()
        if self._has_thought:
            self._held = begun
        if self._opens(begun) or _may_open(begun):
            return ""
        start = begun[:_LONGEST].lower()
        if self._opened or (self._unknown and start.startswith(_LIKE_THOUGHTS)):
            self._state, self._kept = "thoughts", []
            return ""
        closing = _unopened(self._held) if self._watches and not self._whole else None
        if closing is not None and closing[0] != _FINAL:  # none of it has been sent
            self._state, self._kept = "thoughts", []
            return ""
        if self._unknown and any(like.startswith(start) for like in _LIKE_THOUGHTS):
            return ""
        held, self._held = self._held, ""
        if self._whole:
            self._state, self._kept, self._size = "whole", [held], len(held)
            return ""
        self._state = "answer"
        if self._watches:
            self._watch(held)
        return held

    def _opens(self, begun: str) -> bool:
        """Continue with the thoughts, or with an answer between marks, if the text begins with an opening tag."""
        start = begun[:_LONGEST].lower()
        if self._has_thought and (response := next((one for one in _RESPONSES if start.startswith(one)), "")):
            self._state, self._held = "response", begun[len(response) :]
            self._response_end = _RESPONSES[response]
            return True
        mark, closing = _STRIPPED
        if opening := _OPENING.match(begun):
            begun, closing = begun[opening.end() :], _closing_tag(opening)
        elif begun.startswith(mark) and begun[len(mark) : len(mark) + 1].isupper():
            begun = begun[len(mark) :]
        elif begun.startswith(_HARMONY):
            self._state, self._held = "harmony", begun
            return True
        else:
            return False
        self._state, self._held, self._kept = "thoughts", begun, None
        self._tag, self._before, self._depth, self._doubtful = closing, "", 0, None
        self._ticks, self._fenced = 0, False
        own = rf"<{re.escape(opening['name'])}{_ATTRIBUTES}(?<!/)>" if opening and opening["name"] else ""
        own = own or (re.escape(opening[0]) if opening else "(?!)")
        self._tags = re.compile(rf"(?P<closing>{re.escape(closing)})|{own}", re.IGNORECASE)
        return True

    def _thought(self) -> None:
        """Note that the thoughts are over, so that the splitter looks for no others."""
        self._has_thought = True
        self._opened = self._unknown = self._whole = self._watches = False

    def _think(self) -> str:
        """Return the thoughts before the tag that closes them, as far as they are certain."""
        text = self._before + self._held
        position, thoughts = len(self._before), list[str]()
        for found in self._tags.finditer(text, position):
            thoughts.append(self._read_thought(text[position : found.start()]))
            position = found.start()
            inner = found["closing"] is None or self._depth > 0 or self._is_code
            if (inner or _neighbours(found)[0] in _QUOTES) and found.end() == len(text):
                break  # the next character decides
            if inner or _is_quoted(found):
                thoughts.append(self._pass(found))
                position = found.end()
                continue
            if self._kept is not None:
                self._tell(opened=True)
            self._held = text[found.start() if found[0] == _FINAL else found.end() :]
            self._state, self._kept = "begin", None
            self._thought()
            return "".join(thoughts)
        else:
            end = max(position, len(text) - _LONGEST)
            thoughts.append(self._read_thought(text[position:end]))
            position = end
        self._held = text[position:]
        return "".join(thoughts)

    def _pass(self, found: re.Match[str]) -> str:
        """Read a tag that does not end the thoughts, and return it."""
        in_code, quoted = self._is_code, _is_quoted(found)
        if found["closing"] is None:
            begun = bool(self._before.strip())
            self._depth += begun and not (in_code or quoted or _is_word(found))
            return self._read_thought(found[0])
        self._depth -= self._depth > 0 and not (in_code or quoted)
        tag = self._read_thought(found[0])
        if _closes(found) or (in_code and _touches(found)) or (self._kept is None and not quoted):
            self._doubtful, self._in_code = [], in_code
        return tag

    @property
    def _is_code(self) -> bool:
        return self._fenced or self._ticks % 2 == 1

    def _read_thought(self, thought: str) -> str:
        self._before = (self._before + thought)[-_LONGEST:]
        for number, line in enumerate(thought.split("\n")):
            if number:
                self._end_line()
            self._ticks += line.count("`")
        for kept in (self._kept, self._doubtful):
            if kept is not None and thought:
                kept.append(thought)
        return thought

    def _end_line(self) -> None:
        if self._ticks % 2:
            self._fenced ^= self._ticks > 1
            self._in_code &= self._ticks > 1  # a lone backtick begins no code
        self._ticks = 0

    def _respond(self) -> str:
        """Return the text before what may be the mark at the end of the answer, and white space before it."""
        if not self._responds:
            self._held = self._held.lstrip()
            self._responds = bool(self._held)
        start = self._held.rfind("<")
        may_end = start >= 0 and self._response_end.startswith(self._held[start:].rstrip().lower())
        end = len((self._held[:start] if may_end else self._held).rstrip())
        text, self._held = self._held[:end], self._held[end:]
        return text

    def _read_harmony(self) -> Split:
        answer, thoughts = "", ""
        while True:
            found = _MARK.search(self._held)
            end = _certain(self._held) if found is None else found.start()
            text, self._held = self._held[:end], self._held[end:]
            if self._part == "between" and (text := text.lstrip()):
                self._part = "final"  # the text continues without marks
            if self._part == "header":
                self._header += text
            elif self._part == "final":
                answer += text
            elif self._part == "other":
                thoughts += text
            if found is None:
                return answer, thoughts
            self._held = self._held[len(found[0]) :]
            mark = found[1]
            if mark in ("start", "channel"):
                self._part, self._header = "header", ""
            elif mark == "message":
                words = self._header.split()
                self._part = "final" if not words or words[0] in ("final", "assistant") else "other"
            elif mark != "constrain":
                self._part = "between"

    def _give_up(self) -> Split:
        """Return what was to be held back until the end: an answer without end must not fill the memory."""
        assert self._kept is not None
        held, self._kept = "".join(self._kept), None
        self._state, self._watches = "answer", False
        return self._split_whole(held)

    def _split_whole(self, text: str) -> Split:
        found = _unopened(text)
        if found is None:
            self._tell(opened=False)
            return text, ""
        self._tell(opened=True)
        return text[found.end() :].lstrip(), text[: found.start()]

    def _watch(self, text: str) -> None:
        """Look for a closing tag that nothing opened: later answers of the model will have one as well.

        Text that has already been sent cannot be recalled. The first tag decides. An odd number of backticks before it
        means that it is part of code.
        """
        self._window += text
        if "<" in text or "[" in text or "◁" in text:
            self._suspects = True
        if self._suspects:
            window = self._window
            found = _TAG.search(window)
            if found is not None and (found.end() < len(window) or _at_line_start(found)):
                self._watches = False
                if _closes(found) and not (self._ticks + window.count("`", 0, found.start())) % 2:
                    self._tell(opened=True)
                return
        if len(self._window) > _WINDOW:
            keep = len(self._window) - 2 * _LONGEST
            self._ticks += self._window.count("`", 0, keep)
            self._window, self._suspects = self._window[keep:], any(sign in self._window[keep:] for sign in "<[◁")

    def _tell(self, *, opened: bool) -> None:
        if self._learn is not None:
            self._learn(opened)


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


def _open_tag(prompt: str) -> re.Match[str] | None:
    """Return the opening tag at the end of a prompt."""
    end = prompt[-2 * _LONGEST :].rstrip()
    return next((found for found in _OPENING.finditer(end) if found.end() == len(end)), None)


def _closing_tag(opening: re.Match[str]) -> str:
    name, mark = opening["name"], opening["mark"]
    closing = f"</{name}>" if name else _PAIRS[mark.lower()]
    return closing.upper() if opening[0].isupper() else closing


def _closes(found: re.Match[str]) -> bool:
    """Return whether a tag closes thoughts, rather than being mentioned in them: it begins or ends a line."""
    rest = found.string[found.end() : found.end() + _WINDOW].lstrip(" \t")
    ends_line = _at_line_start(found) or rest.startswith(("\n", "\r")) or found[0] == _FINAL
    return found["closing"] is not None and ends_line


def _unopened(text: str) -> re.Match[str] | None:
    """Return the tag that closes thoughts which begin with the text itself.

    Within a line, the tag must touch the end of a word or sentence, or the beginning of a word: ``so it is
    4.</think>Four``. One between spaces, in quotes or in code is mentioned.
    """
    found = _TAG.search(text)
    if found is None or found["closing"] is None or text.count("`", 0, found.start()) % 2:
        return None
    return found if _touches(found) or _closes(found) else None


def _touches(found: re.Match[str]) -> bool:
    """Return whether a tag touches the end of a word or sentence, or the beginning of a word."""
    before, after = _neighbours(found)
    return before.isalnum() or (before != "" and before in ".!?…。！？") or after.isalnum()  # noqa: RUF001  # Chinese


def _is_quoted(found: re.Match[str]) -> bool:
    """Return whether quotation marks enclose a tag."""
    before, after = _neighbours(found)
    return bool(before) and _QUOTES.get(before) == after


def _is_word(found: re.Match[str]) -> bool:
    """Return whether a tag is a word of a sentence, with a space before it, and a space or a comma after it."""
    before, after = _neighbours(found)
    return before == " " and after in " ,;:?!"


def _neighbours(found: re.Match[str]) -> tuple[str, str]:
    return found.string[max(0, found.start() - 1) : found.start()], found.string[found.end() : found.end() + 1]


def _at_line_start(found: re.Match[str]) -> bool:
    _, newline, line = found.string[max(0, found.start() - _WINDOW) : found.start()].rpartition("\n")
    return bool(newline) and not line.strip()


def _may_open(begun: str) -> bool:
    """Return whether an opening tag may still follow, so that more text is needed."""
    start = begun[:_LONGEST].lower()
    unfinished = _UNFINISHED.fullmatch(begun) is not None
    return unfinished or any(beginning.startswith(start) for beginning in _BEGINNINGS)


def _certain(text: str) -> int:
    """Return how many characters of a text cannot be the beginning of one of harmony's marks."""
    start = text.rfind("<")
    return start if start >= 0 and any(mark.startswith(text[start:]) for mark in _MARKS) else len(text)
