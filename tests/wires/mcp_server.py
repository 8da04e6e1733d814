"""An MCP server over standard input and output, with the odd cases: `python mcp_server.py [MODE]`.

It needs no package, so that it starts at once. MODE is what it does instead of a start: `exit`, `hang`, `noise`
(lines that are no messages), `huge` (a line without end) or `once` (dies at its second start).
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
names += ["sample", "elicit", "image"]
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


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911  # one return a tool
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
    if name == "fail":
        return text("the disk is full", isError=True)
    return text(f"{name}: {arguments.get('text', json.dumps(sorted(os.environ)))}")


def answer(message: dict[str, Any]) -> None:
    method, params = message.get("method"), message.get("params") or {}
    if "id" not in message:
        return
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        info = {"name": "odd", "version": "1"}
        result: Any = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
    elif method == "tools/list":
        tools = [{"name": name, "description": f"The tool {name}.", "inputSchema": TEXT} for name in names]
        tools += [
            {"name": name, "inputSchema": {"type": "object"}, "annotations": marks} for name, marks in MARKED.items()
        ]
        half = len(tools) // 2
        result = {"tools": tools[half:]} if params.get("cursor") else {"tools": tools[:half], "nextCursor": "more"}
    elif method == "tools/call":
        result = call(params["name"], params.get("arguments") or {})
        if result is None:
            return
    else:
        send(id=message["id"], error={"code": -32601, "message": f"no method {method}"})
        return
    send(id=message["id"], result=result)


def main() -> None:
    mode, *rest = [*sys.argv[1:], ""]
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
