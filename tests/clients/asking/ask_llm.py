"""The command llm."""

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from report import BASE, IMAGE, KEY, RAIN, SAID, feature, print_report, without

LLM = str(Path(sys.executable).with_name("llm"))
HOME = Path(tempfile.mkdtemp())
(HOME / "extra-openai-models.yaml").write_text(
    f"""\
- model_id: orbit
  model_name: orbit
  api_base: {BASE}
  api_key_name: orbit
  supports_tools: true
  supports_schema: true
  vision: true
- model_id: wrong
  model_name: nothing
  api_base: {BASE}
  api_key_name: orbit
"""
)
(HOME / "keys.json").write_text(json.dumps({"orbit": KEY}))
ENVIRONMENT = {**os.environ, "LLM_USER_PATH": str(HOME), "LLM_LOAD_PLUGINS": ""}


def llm(*arguments, model="orbit"):
    command = [LLM, "-m", model, *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, input="", check=False)


@feature("chat")
def chat():
    assert llm("--no-stream", "hello").stdout.strip() == SAID
    assert llm("-c", "hello").stdout.strip() == SAID


@feature("stream")
def stream():
    assert llm("hello").stdout.strip() == SAID


@feature("usage")
def usage():
    done = llm("-u", "hello")
    assert "20 input, 10 output" in done.stderr, done.stderr


@feature("JSON schema")
def schema():
    done = llm("--schema", "town, rain bool", "hello")
    assert json.loads(done.stdout) == {"town": "Bonn", "rain": True}, done.stderr


@feature("tools")
def tools():
    done = llm("--functions", "def weather(town: str) -> str:\n    return f'Rain in {town}'", "hello")
    assert done.stdout.strip() == RAIN, done.stderr


@feature("image")
def image():
    file = HOME / "image.png"
    file.write_bytes(base64.b64decode(IMAGE.partition(",")[2]))
    done = llm("-a", str(file), "What?")
    assert done.stdout.strip() == "I see image/png", done.stderr


@feature("errors")
def errors():
    for done, sentence in (
        (llm("hello", model="wrong"), "does not exist"),
        (llm("--key", "wrong", "hello"), "API key"),
        (llm("-o", "logit_bias", '{"5": 1}', "hello"), "logit_bias"),
    ):
        assert done.returncode, done.stdout
        assert sentence in done.stderr, done.stderr


without("Responses", "asks chat completions only")
without("sources", "shows text only")
print_report("llm")
