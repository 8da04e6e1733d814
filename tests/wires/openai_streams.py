"""Answers as servers send them: right ones in odd forms, and wrong ones that look right."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

from openai_wire import Raw

DONE = b"data: [DONE]\n\n"
ANSWER = "Hello world"


@dataclass(frozen=True)
class Stream:
    """An answer over the wire, and what a client must get of it. ``error`` is a part of the sentence."""

    pieces: list[bytes]
    text: str = ANSWER
    reason: str = "stop"
    usage: tuple[int, int] | None = None
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False

    def raw(self, content_type: str = "text/event-stream") -> Raw:
        """Return it for the stand-in."""
        return Raw(self.pieces, {"Content-Type": content_type, **self.headers}, cut=self.cut)


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(content: Any = ..., reason: Any = None, **fields: Any) -> bytes:
    part = fields if content is ... else {"content": content, **fields}
    return event({"id": "c", "choices": [{"index": 0, "delta": part, "finish_reason": reason}]})


def usage(prompt: Any = 7, completion: Any = 3, **fields: Any) -> bytes:
    return event({**fields, "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def message(content: Any, reason: Any = "stop", **fields: Any) -> bytes:
    part = {"role": "assistant", "content": content, **fields}
    return json.dumps({"choices": [{"index": 0, "message": part, "finish_reason": reason}]}).encode()


HELLO = [delta("Hello"), delta(" world")]
STOP = [delta(reason="stop"), DONE]
PLAIN = [*HELLO, delta(reason="stop"), usage(choices=[]), DONE]


def before(*pieces: bytes) -> list[bytes]:
    return [*pieces, *HELLO, *STOP]


COMPLETE: dict[str, Stream] = {
    "plain": Stream(PLAIN, usage=(7, 3)),
    "no space": Stream([piece.replace(b"data: ", b"data:") for piece in PLAIN], usage=(7, 3)),
    "CRLF": Stream([piece.replace(b"\n", b"\r\n") for piece in PLAIN], usage=(7, 3)),
    "CR": Stream([piece.replace(b"\n", b"\r") for piece in PLAIN], usage=(7, 3)),
    "single line ends": Stream([piece.replace(b"\n\n", b"\n") for piece in PLAIN], usage=(7, 3)),
    "BOM": Stream([b"\xef\xbb\xbf", *PLAIN], usage=(7, 3)),
    "BOM, spaces and capitals": Stream(
        [b"\xef\xbb\xbf" + PLAIN[0], b" " + PLAIN[1], *[piece.replace(b"data", b"Data") for piece in PLAIN[2:]]],
        usage=(7, 3),
    ),
    "data: twice": Stream([b"data: " + piece for piece in PLAIN], usage=(7, 3)),
    "JSON in JSON": Stream(
        [*[event(piece[6:].decode().strip()) for piece in PLAIN[:-1]], DONE],
        usage=(7, 3),
    ),
    "a number": Stream([delta("It is "), delta(42), *STOP], "It is 42"),
    "counts of Groq": Stream(
        [
            *HELLO,
            event({"choices": [{"delta": {}, "finish_reason": "stop"}], "x_groq": {"usage": {"prompt_tokens": 7}}}),
            DONE,
        ],
        usage=(7, 0),
    ),
    "comments": Stream(before(b": PROCESSING\n\n", b":\n\n")),
    "named events": Stream([b"event: message\nid: 1\nretry: 9\n" + piece for piece in PLAIN], usage=(7, 3)),
    "ping event": Stream(before(b'event: ping\ndata: {"type":"ping"}\n\n')),
    "ping without JSON": Stream(before(b"event: ping\ndata: ping\n\n", b"data: ping\n\n")),
    "sources": Stream(before(event({"sources": [{"source": {"id": "x"}}]}))),
    "status message": Stream(before(event({"type": "status", "message": "searching"}))),
    "empty data": Stream(before(b"data:\n\n", b"data: \n\n", b"data\n\n")),
    "null, numbers, lists": Stream(before(b"data: null\n\n", b"data: 5\n\n", b"data: []\n\n", b'data: "x"\n\n')),
    "empty error": Stream(before(event({"error": None, "choices": []}), event({"error": {}}))),
    "no [DONE]": Stream([*HELLO, delta(reason="stop")]),
    "no line end at the end": Stream([*HELLO, delta(reason="stop").strip()]),
    "no finish reason": Stream([*HELLO, DONE]),
    "[done]": Stream([*HELLO, b"data: [done]\n\n"]),
    "no finish reason, usage": Stream([*HELLO, usage(choices=[]), DONE], usage=(7, 3)),
    "usage is the end": Stream([*HELLO, usage()], usage=(7, 3)),
    "usage without choices": Stream([*HELLO, delta(reason="stop"), usage(), DONE], usage=(7, 3)),
    "usage in floats": Stream([*HELLO, delta(reason="stop"), usage(7.0, 3.0), DONE], usage=(7, 3)),
    "usage in texts": Stream([*HELLO, delta(reason="stop"), usage("7", "many"), DONE], usage=(7, 0)),
    "usage is odd": Stream([*HELLO, delta(reason="stop"), event({"choices": [], "usage": [1]}), DONE]),
    "usage below zero": Stream([*HELLO, delta(reason="stop"), usage(-1, 1e400), DONE], usage=(0, 0)),
    "usage beyond belief": Stream([*HELLO, delta(reason="stop"), usage(10**30, 1e30), DONE], usage=(0, 0)),
    "finish reason in every piece": Stream([delta("Hello", ""), delta(" world", "null"), *STOP]),
    "finish reason a number": Stream([*HELLO, delta(reason=0), DONE]),
    "finish reason an object": Stream([*HELLO, delta(reason={"type": "stop"}), DONE]),
    "max_tokens": Stream([*HELLO, delta(reason="MAX_TOKENS"), DONE], reason="length"),
    "model_length": Stream([*HELLO, delta(reason="model_length"), DONE], reason="length"),
    "SAFETY": Stream([*HELLO, delta(reason="SAFETY"), DONE], reason="content_filter"),
    "eos_token": Stream([*HELLO, delta(reason="eos_token"), DONE]),
    "end_turn": Stream([*HELLO, delta(reason="end_turn"), DONE]),
    "tool_calls after text": Stream([*HELLO, delta(reason="tool_calls"), DONE]),
    "unknown reason": Stream([*HELLO, delta(reason="whatever"), DONE]),
    "role first": Stream(before(delta("", role="assistant"), delta(None, role="assistant"))),
    "delta null": Stream(before(event({"choices": [{"index": 0, "delta": None}]}))),
    "content in parts": Stream([delta([{"type": "text", "text": "Hello"}]), delta({"text": " world"}), *STOP]),
    "content beside thoughts": Stream(
        [delta([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]), *HELLO, *STOP]
    ),
    "several choices": Stream(
        before(event({"choices": [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": ""}}]}))
    ),
    "another choice between": Stream(
        [
            HELLO[0],
            event({"choices": [{"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}]}),
            *HELLO[1:],
            event({"choices": [{"index": 2, "delta": {}, "error": {"message": "gone"}}]}),
            *STOP,
        ]
    ),
    "another choice first": Stream(before(event({"choices": [{"index": 1, "delta": {"role": "assistant"}}]}))),
    "choices counted from 1": Stream(
        [
            *[event({"choices": [{"index": 1, "delta": {"content": part}}]}) for part in ("Hel", "lo", " wor", "ld")],
            event({"choices": [{"index": 0, "delta": {"content": "B"}}]}),
            event({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
            DONE,
        ]
    ),
    "message instead of delta": Stream([b"data: " + message(ANSWER) + b"\n\n", DONE]),
    "message repeats the deltas": Stream([*HELLO, b"data: " + message(ANSWER) + b"\n\n", DONE]),
    "text of old completions": Stream([event({"choices": [{"text": ANSWER, "finish_reason": "stop"}]}), DONE]),
    "each piece repeats all": Stream([delta("Hello"), delta("Hello wor"), delta(ANSWER), delta(ANSWER, "stop"), DONE]),
    "multi-line data": Stream(
        [b'data: {"choices":[{"delta":\ndata: {"content":"Hello world"},\n', b'data: "x":1}]}\n\n', DONE]
    ),
    "half characters": Stream(
        [b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n', delta("\ude00 hi"), *STOP], "😀 hi"
    ),
    "a character that stays half": Stream([delta("a\ud83d"), delta("b"), *STOP], "a\ufffdb"),
    "half a character at the end": Stream([delta("a\ud83d"), *STOP], "a\ufffd"),
    "invalid UTF-8": Stream([b'data: {"choices":[{"delta":{"content":"a\xff b"}}]}\n\n', *STOP], "a\ufffd b"),
    "invalid UTF-8 beside the text": Stream(
        [b'data: {"x\xff":"\xff","choices":[{"delta":{"content":"a"}}]}\n\n', *STOP], "a"
    ),
    "NaN": Stream([b'data: {"choices":[{"delta":{"content":"Hi"},"logprobs":{"x":NaN}}]}\n\n', *STOP], "Hi"),
    "an endless number": Stream([HELLO[0].replace(b"{", b'{"created": ' + b"9" * 5000 + b", ", 1), *HELLO[1:], *STOP]),
    "control characters": Stream([b'data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n', *STOP], "a\tb"),
    "error after the end": Stream([*HELLO, delta(reason="stop"), event({"error": {"message": "late"}}), DONE]),
    "garbage after the end": Stream([*HELLO, delta(reason="stop"), b'data: {"usa\n\n']),
    "cut after the end": Stream([*HELLO, delta(reason="stop")], cut=True),
    "cut after [DONE]": Stream(PLAIN, usage=(7, 3), cut=True),
    "packed": Stream([gzip.compress(b"".join(PLAIN))], usage=(7, 3), headers={"Content-Encoding": "gzip"}),
    "packed in members": Stream(
        [gzip.compress(PLAIN[0]) + gzip.compress(PLAIN[1]), *map(gzip.compress, PLAIN[2:])],
        usage=(7, 3),
        headers={"Content-Encoding": "gzip"},
    ),
    "one object": Stream([message(ANSWER)]),
    "one object on many lines": Stream([json.dumps(json.loads(message(ANSWER)), indent=1).encode()]),
    "one object without a reason": Stream([message(ANSWER, None)]),
    "one object in parts": Stream([message([{"type": "text", "text": "Hello"}, {"type": "text", "text": " world"}])]),
    "one object with thoughts": Stream([message("<think>hm</think>Hello world", reasoning_content="hm")]),
    "JSON lines": Stream([piece.removeprefix(b"data: ") for piece in [*HELLO, delta(reason="stop")]]),
    "refusal": Stream([delta(None, refusal="I cannot."), *STOP], "I cannot.", "content_filter"),
    "refusal in a part": Stream(
        [delta([{"type": "refusal", "refusal": "I cannot."}]), *STOP], "I cannot.", "content_filter"
    ),
    "one object with a refusal": Stream([message(None, refusal="I cannot.")], "I cannot.", "content_filter"),
    "a filter within": Stream([*HELLO, delta(reason="content_filter"), DONE], reason="content_filter"),
    "reasoning_content": Stream(before(delta(None, reasoning_content="hm"))),
    "reasoning": Stream(before(delta(None, reasoning="hm"))),
    "think tags": Stream([delta("<thi"), delta("nk>hm</th"), delta("ink>\n\n"), *HELLO, *STOP]),
    "harmony": Stream(
        before(delta("<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"))
    ),
}
"""Answers that are complete, whatever their form."""

BROKEN: dict[str, Stream] = {
    "an error of Groq": Stream(
        [HELLO[0], event({"choices": [], "x_groq": {"error": "over_capacity"}})], error="over_cap"
    ),
    "an error of MiniMax": Stream(
        [event({"base_resp": {"status_code": 8, "status_msg": "too busy"}})], "", error="too b"
    ),
    "an error of Cloudflare": Stream(
        [event({"success": False, "errors": [{"message": "No such"}]})], "", error="No such"
    ),
    "frames of another API": Stream([event({"response": "Hello"}), DONE], "", error="its frames have no choices"),
    "abort": Stream([delta("Hel"), delta(reason="abort"), DONE], "Hel", error="finish_reason 'abort'"),
    "error": Stream([delta("Hel"), delta(reason="error"), DONE], "Hel", error="finish_reason 'error'"),
    "cancelled": Stream([delta("Hel"), delta(reason="CANCELLED"), DONE], "Hel", error="broke off the answer"),
    "no resources": Stream([delta("Hel"), delta(reason="insufficient_system_resource"), DONE], "Hel", error="broke"),
    "busy in words": Stream(
        [event({"error": {"message": "slower", "code": "rate_limit_exceeded"}})], "", error="is busy"
    ),
    "overloaded": Stream([event({"error": {"message": "later", "type": "overloaded_error"}})], "", error="is busy"),
    "rate limit": Stream([delta("Hel"), delta(reason="rate_limit_exceeded"), DONE], "Hel", error="broke"),
    "error and reason at once": Stream([delta("Hel") + delta(reason="error") + DONE], "Hel", error="broke"),
    "error in a choice": Stream(
        [event({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "gone"}}]}), DONE],
        "",
        error="gone",
    ),
    "error in the middle": Stream([delta("Hel"), event({"error": {"message": "CUDA"}}), DONE], "Hel", error="CUDA"),
    "error as text": Stream([event({"error": "broke"})], "", error="failed: broke"),
    "error event": Stream([delta("Hel"), b'event: error\ndata: {"message":"boom"}\n\n'], "Hel", error="boom"),
    "error event without JSON": Stream([delta("Hel"), b"event: error\ndata: boom\n\n"], "Hel", error="boom"),
    "error line": Stream([delta("Hel"), b'error: {"code":500,"message":"shift"}\n\n'], "Hel", error="shift"),
    "error in a list": Stream([b'data: [{"error":{"message":"quota"}}]\n\n'], "", error="quota"),
    "error object": Stream([event({"object": "error", "message": "bad"})], "", error="bad"),
    "detail alone": Stream([event({"detail": "not today"})], "", error="not today"),
    "one object with an error": Stream([b'{"error":{"message":"no"}}'], "", error="failed: no"),
    "cut": Stream([*HELLO], error="closed the connection", cut=True),
    "ended too early": Stream([*HELLO], error="in the middle of the answer"),
    "empty finish reasons, cut": Stream([delta("Hello", ""), delta(" world", "")], error="closed", cut=True),
    "one object, cut": Stream([message(ANSWER)[:60]], "", error="not JSON"),
    "half a frame": Stream([delta("Hel"), b'data: {"model": "llama", "cho\n\n', DONE], "Hel", error="not JSON"),
    "nothing at all": Stream([], "", error="closed the connection"),
    "only pings": Stream([b": ping\n\n", DONE], "", error="closed the connection"),
    "a web page": Stream([b"<html><body>It works!</body></html>"], "", error="does not answer like OpenAI's API"),
    "deep nesting": Stream([b"data: " + b"[" * 100_000 + b"\n\n"], "", error="not JSON"),
    "a tool": Stream(
        [delta(None, tool_calls=[{"index": 0, "function": {"name": "f"}}]), delta(reason="tool_calls"), DONE],
        "",
        error="called a tool",
    ),
}
"""Answers that are not complete, however they look; the text is what came before that was known."""

SILENT: dict[str, Stream] = {
    "thoughts alone": Stream([delta(None, reasoning_content="hm"), delta(reason="length"), DONE], "", "length"),
    "unclosed thoughts": Stream([delta("<think>hm"), delta(reason="length"), DONE], "", "length"),
    "nothing": Stream([delta(reason="stop"), DONE], "", "stop"),
    "one object without text": Stream([message(None, "length", reasoning_content="hm")], "", "length"),
}
"""Answers without a word."""
