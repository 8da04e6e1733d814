"""An MCP server over standard input and output, with the odd cases: `python mcp_server.py [MODE]`.

It needs no package, so that it starts at once. MODE is what it does instead of a start: `exit`, `hang`, `noise`
(lines that are no messages), `huge` (a line without end) or `once` (dies at its first start); or what it does wrong
when it lists its tools: `old` (and speaks a protocol that nobody knows), `endless`, `twins`, `schema` (which is none)
or `restless` (says each time that they have changed).
"""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
names = ["echo", "add.two/numbers", "fail", "die", "hang", "huge", "garbage", "wrong", "rename"]
names += ["sample", "elicit", "image", "strict", "refuse", "late", "chatter", "lists"]
ERRORS = {
    "refuse": {"code": -32000, "message": "the disk is gone"},
    "late": {"code": -32001, "message": "the disk is slow"},
}
"""Errors with the codes that the client's SDK has for its own."""
lists = 0
mode, *rest = [*sys.argv[1:], ""]
MARKED: dict[str, dict[str, Any]] = {
    "wipe": {"readOnlyHint": False},
    "delete": {"destructiveHint": True},
    "look": {"readOnlyHint": True, "destructiveHint": True},
}


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}], **more}


def ask(method: str, params: dict[str, Any]) -> Any:
    """Ask the client something, and return what it answers."""
    send(id="asked", method=method, params=params)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("id") == "asked":
            return message.get("result", message.get("error"))
    return None


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911, PLR0912  # one branch a tool
    if name == "die":
        sys.stderr.write("out of cheese\n")
        sys.stderr.flush()
        os._exit(3)
    if name == "hang":
        return None
    if name == "huge":
        sys.stdout.write('{"jsonrpc": "2.0", "id": 1, "result": "')
        for _ in range(100):
            sys.stdout.write("x" * 1_000_000)
        sys.stdout.write('"}\n')
        sys.stdout.flush()
        return None
    if name == "garbage":
        sys.stdout.write("\x00\xff this is no message\n{}\n[]\n")
        sys.stdout.flush()
        return text("garbage came before")
    if name == "wrong":
        return {"content": "not a list", "isError": "perhaps"}
    if name == "rename":
        names[0] = "parrot"
        send(method="notifications/tools/list_changed")
        return text("renamed")
    if name == "sample":
        message = {"role": "user", "content": {"type": "text", "text": "Who are you?"}}
        answer = ask("sampling/createMessage", {"messages": [message], "maxTokens": 10})
        return text(json.dumps(answer))
    if name == "elicit":
        schema = {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]}
        return text(json.dumps(ask("elicitation/create", {"message": "Where?", "requestedSchema": schema})))
    if name == "image":
        data = base64.b64encode(b"12345").decode()
        resource = {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "a file"}}
        return {"content": [{"type": "image", "data": data, "mimeType": "image/png"}, resource]}
    if name == "strict" and "text" not in arguments:
        return text("text is missing", isError=True)
    if name == "chatter":
        for number in range(5000):
            send(method="notifications/message", params={"level": "info", "data": f"still there {number}"})
    if name == "lists":
        return text(str(lists))
    if name == "fail":
        return text("the disk is full", isError=True)
    return text(f"{name}: {arguments.get('text', json.dumps(sorted(os.environ)))}")


def listed(page: int) -> dict[str, Any]:
    """A list of tools that is wrong."""
    if mode == "endless":
        return {"tools": [{"name": f"page{page}", "inputSchema": TEXT}], "nextCursor": str(page + 1)}
    schema = "none" if mode == "schema" else TEXT
    tools = [
        {"name": name, "description": name, "inputSchema": schema} for name in ("twin one", "twin_one", "twin_one")
    ]
    return {"tools": tools}


def answer(message: dict[str, Any]) -> None:
    global lists  # noqa: PLW0603  # it is a small program
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message:
        return
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "odd", "version": "1"}
        result: Any = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
        if mode == "old":
            result["protocolVersion"] = "1999-01-01"
    elif method == "tools/list" and mode in ("endless", "twins", "schema"):
        result = listed(int(params.get("cursor") or 0))
    elif method == "tools/list":
        lists += 1
        if mode == "restless":
            send(method="notifications/tools/list_changed")
        tools = [{"name": name, "description": f"The tool {name}.", "inputSchema": TEXT} for name in names]
        tools += [
            {"name": name, "inputSchema": {"type": "object"}, "annotations": marks} for name, marks in MARKED.items()
        ]
        half = len(tools) // 2
        result = {"tools": tools[half:]} if params.get("cursor") else {"tools": tools[:half], "nextCursor": "more"}
    elif method == "tools/call" and params["name"] in ERRORS:
        send(id=message["id"], error=ERRORS[params["name"]])
        return
    elif method == "tools/call":
        result = call(params["name"], params.get("arguments") or {})
        if result is None:
            return
    else:
        send(id=message["id"], error={"code": -32601, "message": f"no method {method}"})
        return
    send(id=message["id"], result=result)


def main() -> None:
    if mode == "exit":
        sys.exit("no licence found")
    if mode == "hang":
        time.sleep(3600)
    if mode == "noise":
        for number in range(1000):
            sys.stdout.write(f"starting {number}\n")
        sys.stdout.flush()
        time.sleep(3600)
    if mode == "huge":
        while True:
            sys.stdout.write("x" * 1_000_000)
    if mode == "once":
        flag = Path(rest[0])
        if not flag.exists():
            flag.touch()
            sys.exit(1)
    for line in sys.stdin:
        answer(json.loads(line))


if __name__ == "__main__":
    main()
