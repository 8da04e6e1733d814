"""Asks a server that runs the plugin."""

from pathlib import Path

import httpx

from orbit.testing import serve


def test_it_greets(tmp_path: Path) -> None:
    with serve({"hello": {"greeting": "Ahoy"}}, tmp_path) as server:
        body = {"message": "Is anybody there?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert answer["response"] == "Ahoy! You asked: Is anybody there?"
