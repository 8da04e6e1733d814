"""The ``openai`` package for JavaScript in a browser, on a page of another origin."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orbit.testing import serve

PACKAGE = Path(__file__).parents[2] / ".venv" / "node" / "node_modules" / "openai"
ASK = """async ([baseURL, apiKey]) => {
  const { default: OpenAI } = await import("/index.mjs");
  const client = new OpenAI({ baseURL, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const asked = { model: "orbit", messages: [{ role: "user", content: "Hello" }] };
  const answer = await client.chat.completions.create(asked);
  let streamed = "";
  for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
  }
  const response = await client.responses.create({ model: "orbit", input: "Hello" });
  const models = (await client.models.list()).data.map((model) => model.id);
  const wrong = await client.chat.completions
    .create({ ...asked, model: "gpt-9" })
    .catch((error) => [error.constructor.name, error.status, error.code, error.requestID !== null]);
  return { whole: answer.choices[0].message.content, streamed, response: response.output_text, models, wrong };
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and an empty page at its root."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012  # as in its base class

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name in its base class
        """Print nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    """The origin of a page that has the package."""
    if not PACKAGE.exists():
        pytest.skip(f"{PACKAGE} is missing: scripts/setup.sh --dev installs it if there is npm")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PACKAGE))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_of_another_origin_asks(tab: Any, tmp_path: Path, origin: str) -> None:
    config: dict[str, Any] = {"script": {}, "cors": {"allow_origins": [origin]}}
    with serve(config, tmp_path) as server:
        page = tab()
        page.goto(f"{origin}/")
        found = page.evaluate(ASK, [f"{server.url}/v1", server.key])
    text = "word0 word1 word2 "
    assert (found["whole"], found["streamed"], found["response"]) == (text, text, text)
    assert found["models"] == ["script", "orbit"]
    assert found["wrong"] == ["NotFoundError", 404, "model_not_found", True]
