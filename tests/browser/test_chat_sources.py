"""Sources of the chat page open where their passage is: at its line, in light and dark, from right to left too."""

from pathlib import Path
from typing import Any

import pytest
from chat_kit import asked

from orbit.documents import Options, Origins, ingest_paths
from orbit.testing import serve
from orbit.types import CallContext

PLACE = """() => {
  const target = document.querySelector(":target");
  const box = target?.getBoundingClientRect();
  return {
    target: target?.id ?? "", text: target?.textContent ?? "", top: box?.top ?? -1,
    scrolled: window.scrollY, width: document.documentElement.scrollWidth, height: window.innerHeight,
    background: target ? getComputedStyle(target).backgroundColor : "",
  };
}"""
CODE = "".join(f"def rule_{number}():\n    return {number}\n\n\n" for number in range(200))
NOTES = "".join(f"Paragraph {number} says nothing much.\n\n" for number in range(300))
FILES = {
    "rules.py": CODE + "def walrus_tusks():\n    return 'the walrus has two tusks'\n" + CODE,
    "notes.txt": f"{NOTES}The lighthouse keeper paints the lantern-room, <b>green</b> & white.\n\n{NOTES}",
    "hebrew.md": f"# Rules\n\n{NOTES}\n\nהמגדלור נצבע בירוק בכל אביב על ידי השומר.\n\n{NOTES}",  # noqa: RUF001  # Hebrew
}
QUESTIONS = {
    "rules.py": "How many tusks has the walrus, walrus_tusks?",
    "notes.txt": "Which colour does the lighthouse keeper paint the lantern-room?",
    "hebrew.md": "המגדלור נצבע בירוק בכל אביב על ידי השומר?",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("given")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    config: dict[str, Any] = {"echo": {}, "lexical": {}, "documents": {"serve": True}}
    with serve(config, tmp_path_factory.mktemp("data"), collection="rules") as running:
        host = running.services.host
        options = Options(origins=Origins(host.data_dir / "ingested.db"))
        context = CallContext("test", collection="rules")
        running.call(ingest_paths(host, "rules", (folder,), host.config.host.ingest, context, None, options))
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("name", FILES)
def test_a_text_opens_at_its_line(tab: Any, server: Any, name: str, width: int, scheme: str) -> None:
    page = tab(color_scheme=scheme, viewport={"width": width, "height": 800})
    asked(page, server, QUESTIONS[name])
    source = page.locator(".sources > li").filter(has_text=name).first
    source.locator("summary").click()
    with page.context.expect_page() as opening:
        source.get_by_role("link", name=f"Open {name}").click()
    opened = opening.value
    opened.wait_for_load_state()
    opened.wait_for_function("window.scrollY > 1000")
    found = opened.evaluate(PLACE)
    assert found["width"] <= width
    if name == "rules.py":
        line = FILES[name].split("\n").index("def walrus_tusks():") + 1
        assert found["target"].startswith("line")
        assert abs(int(found["target"][4:]) - line) < 40  # where the passage begins
        assert 0 <= found["top"] < found["height"]
        assert found["background"] != "rgba(0, 0, 0, 0)"
        assert source.get_by_role("link").inner_text() == f"Open {name} at line {found['target'][4:]}"
