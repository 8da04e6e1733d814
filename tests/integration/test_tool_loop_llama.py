"""The model that comes with ORBIT calls a tool of the server: its grammar keeps the call valid, and it answers."""

import json
from pathlib import Path

import httpx
from host_tools import Bench

from orbit import Tool
from orbit.testing import serve

TOWN = {"type": "object", "properties": {"town": {"enum": ["Bonn", "Ulm"]}}, "required": ["town"]}


def test_a_round_of_the_servers_tools(tmp_path: Path) -> None:
    model = {"n_ctx": 1024, "parallel": 1, "temperature": 0.0, "max_tokens": 24, "n_threads": 1}
    config = {"llama_cpp": model, "bench": {}, "diary": {}, "tools": {"max_rounds": 1}}
    with serve(config, tmp_path, {"bench": Bench}) as server:
        server.provider("bench").offered = [Tool("weather", "Tells the weather of a town.", TOWN)]
        body = {"message": "Call the tool weather for Bonn.", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=100)
    uses = server.provider("diary").records[0].tool_uses
    assert answer.status_code == 200, answer.text
    assert answer.json()["response"].strip()
    for use in uses:  # whether so small a model calls it is up to the model
        assert (use.name, use.status, use.result) == ("weather", "ok", "weather: rain")
        assert json.loads(use.arguments)["town"] in ("Bonn", "Ulm")
