"""Answers as Ollama and what stands before it send them: right ones in odd forms, and wrong ones that look right."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from ollama_wire import Raw

ANSWER = "Hello world"


@dataclass(frozen=True)
class Stream:
    """An answer over the wire, and what a client must get of it. ``error`` is a part of the sentence."""

    pieces: list[bytes]
    text: str = ANSWER
    reason: str = "stop"
    usage: tuple[int, int] | None = (7, 3)
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    def raw(self, content_type: str = "application/x-ndjson") -> Raw:
        """Return it for the stand-in."""
        return Raw(self.pieces, {"Content-Type": content_type, **self.headers}, cut=self.cut)


def line(content: Any = "", **fields: Any) -> bytes:
    """Return one line; ``thinking`` and ``tool_calls`` go into the message."""
    message = {"role": "assistant", "content": content}
    message |= {name: fields.pop(name) for name in ("thinking", "tool_calls") if name in fields}
    return json.dumps({"model": "llama3.2", "message": message, "done": False, **fields}).encode() + b"\n"


def last(content: Any = "", reason: Any = "stop", **fields: Any) -> bytes:
    counts = {"prompt_eval_count": 7, "eval_count": 3}
    return line(content, **{"done": True, "done_reason": reason, **counts, **fields})


HELLO = [line("Hello"), line(" world")]
PLAIN = [*HELLO, last()]

COMPLETE: dict[str, Stream] = {
    "plain": Stream(PLAIN),
    "CRLF": Stream([piece.replace(b"\n", b"\r\n") for piece in PLAIN]),
    "BOM": Stream([b"\xef\xbb\xbf", *PLAIN]),
    "empty lines": Stream([b"\n", HELLO[0], b"\n\n", HELLO[1], last()]),
    "no line end at the end": Stream([*HELLO, last().strip()]),
    "one object": Stream([last(ANSWER)]),
    "events": Stream([b": ping\n\n", *[b"data: " + piece + b"\n" for piece in PLAIN], b"data: [DONE]\n\n"]),
    "null, numbers, lists": Stream([b"null\n5\n[]\n", *PLAIN]),
    "something else": Stream([b'{"status":"loading"}\n', *PLAIN]),
    "a notice first": Stream([b"Warning: slow disk\n", b"\n", *PLAIN]),
    "a notice and the answer together": Stream([b"ready\n" + b"".join(PLAIN)]),
    "content null": Stream([line(None, thinking="hm"), *PLAIN]),
    "content in parts": Stream([line([{"type": "text", "text": "Hello"}]), line({"text": " world"}), last()]),
    "the field of another route": Stream(
        [b'{"response": "Hello", "done": false}\n', b'{"response": " world", "done": true}'], usage=None
    ),
    "its field beside an empty message": Stream([last("", response=ANSWER)]),
    "one object that does not say that it is the last one": Stream(
        [b'{"message": {"content": "Hello world"}}\n'], usage=None
    ),
    "the same as an event": Stream([b'data: {"response": "Hello world"}'], usage=None),
    "one object in several lines": Stream([json.dumps(json.loads(last(ANSWER)), indent=1).encode()]),
    "Data: after a mark": Stream([b"\xef\xbb\xbf Data: " + piece for piece in PLAIN]),
    "data: twice": Stream([b"data: data: " + piece for piece in PLAIN]),
    "a number": Stream([line("It is "), line(42), last()], "It is 42"),
    "a message that is a text": Stream([b'{"message": "Hello world", "done": true}'], usage=None),
    "no reason": Stream([*HELLO, last(reason=None)]),
    "reason a number": Stream([*HELLO, last(reason=0)]),
    "length": Stream([*HELLO, last(reason="length")], reason="length"),
    "no counts": Stream([*HELLO, last(prompt_eval_count=None, eval_count=None)], usage=None),
    "counts in floats": Stream([*HELLO, last(prompt_eval_count=7.0, eval_count=3.0)]),
    "counts in texts": Stream([*HELLO, last(prompt_eval_count="7", eval_count="3")]),
    "half characters": Stream([line("\ud83d"), line("\ude00 hi"), last()], "😀 hi"),
    "half a character at the end": Stream([line("a\ud83d"), last()], "a\ufffd"),
    "invalid UTF-8": Stream([line("aXb").replace(b"X", b"\xff"), last()], "a\ufffdb"),
    "NaN": Stream([line("Hi").replace(b'"done"', b'"x": NaN, "done"'), last()], "Hi"),
    "an endless number": Stream(
        [HELLO[0].replace(b"{", b'{"eval_count": ' + b"9" * 5000 + b", ", 1), *HELLO[1:], last()]
    ),
    "thinking": Stream([line(thinking="hm"), *PLAIN]),
    "think tags": Stream([line("<thi"), line("nk>hm</th"), line("ink>\n\n"), *PLAIN]),
    "harmony": Stream([line("<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>"), *PLAIN]),
    "cut after the end": Stream(PLAIN, cut=True),
    "more after the end": Stream([*HELLO, last() + line("!") + b"garbage\n"]),
    "an error that is empty": Stream([*HELLO, last(error="")]),
    "gzip": Stream([gzip.compress(b"".join(PLAIN))], headers={"Content-Encoding": "gzip"}),
    "gzip in members": Stream(
        [gzip.compress(PLAIN[0]) + gzip.compress(PLAIN[1])[:9], gzip.compress(PLAIN[1])[9:], gzip.compress(PLAIN[2])],
        headers={"Content-Encoding": "gzip"},
    ),
    "gzip and more after it": Stream(
        [gzip.compress(b"".join(PLAIN)) + b"\0\0\0", b"\0"], headers={"Content-Encoding": "gzip"}
    ),
    "deflate without a header": Stream(
        [zlib.compress(b"".join(PLAIN), wbits=-zlib.MAX_WBITS)], headers={"Content-Encoding": "deflate"}
    ),
    "deflate": Stream([zlib.compress(b"".join(PLAIN))], headers={"Content-Encoding": "deflate"}),
}
"""Answers that are complete, whatever their form."""

BROKEN: dict[str, Stream] = {
    "error line": Stream([line("Hel"), b'{"error":"unexpected EOF"}\n'], "Hel", error="unexpected EOF"),
    "error at once": Stream([b'{"error":{"message":"gone"}}\n'], "", error="gone"),
    "busy": Stream([b'{"error":"server busy, please try again"}\n'], "", error="Ollama is busy"),
    "load": Stream([last(reason="load")], "", error="done_reason 'load'"),
    "unload": Stream([line("Hel"), last(reason="unload")], "Hel", error="done_reason 'unload'"),
    "aborted": Stream([line("Hel"), last(reason="aborted")], "Hel", error="done_reason 'aborted'"),
    "a tool": Stream([line(tool_calls=[{"function": {"name": "f", "arguments": {}}}]), last()], "", error="a tool"),
    "cut": Stream(HELLO, error="closed the connection", cut=True),
    "ended too early": Stream(HELLO, error="in the middle of the answer"),
    "lines that do not say which is the last one": Stream(
        [b'{"message": {"content": "Hello"}}\n', b'{"message": {"content": " world"}}\n'], error="in the middle"
    ),
    "one line that is not the last one": Stream([line("Hello")], "Hello", error="in the middle of the answer"),
    "half a line": Stream([line("Hel"), b'{"model": "lla\n', last()], "Hel", error="not Ollama's"),
    "one object, cut": Stream([last(ANSWER)[:60]], "", error="not Ollama's"),
    "nothing at all": Stream([], "", error="closed the connection"),
    "a web page of many lines": Stream([b"<p>It works!</p>\n" * 200], "", error="not Ollama's"),
    "a notice alone": Stream([b"starting\n"], "", error="not Ollama's"),
    "a web page": Stream([b"<html><body>It works!</body></html>"], "", error="not Ollama's"),
    "deep nesting": Stream([b"[" * 100_000 + b"\n"], "", error="not Ollama's"),
    "broken gzip": Stream([b"no gzip at all"], "", error="not Ollama's", headers={"Content-Encoding": "gzip"}),
    "br": Stream([b"\x0b\x02\x80"], "", error="not Ollama's", headers={"Content-Encoding": "br"}),
}
"""Answers that are not complete, however they look; the text is what came before that was known."""

SILENT: dict[str, Stream] = {
    "thoughts alone": Stream([line(thinking="hm"), last(reason="length")], "", "length"),
    "unclosed thoughts": Stream([line("<think>hm"), last(reason="length")], "", "length"),
    "nothing": Stream([last()], ""),
}
"""Answers without a word."""
