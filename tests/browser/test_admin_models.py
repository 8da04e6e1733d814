"""What the operator's page shows while providers of models fail and others take over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from admin_kit import TOKEN, show, signed_in
from models_kit import NAMES, Models, dead, out_of_quota, served_models, slow, too_small

from orbit.host.models import upstreams

LONG = "Which of the many books about bees and herons may I borrow on Saturdays? " * 3
FIRST = {"one": "fast", "two": "shared", "three": "exact"}
"""A provider, and a model that asks it; others can take over."""


@pytest.mark.parametrize("fault", [dead, slow, out_of_quota, too_small], ids=lambda fault: fault.__name__)
def test_the_page_shows_who_rests_and_who_took_over(
    tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """Each provider has the fault in turn."""
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    monkeypatch.setattr(upstreams, "_FIRST_REST", 3600.0)
    monkeypatch.setattr(upstreams, "_LONGEST_REST", 3600.0)
    for broken in NAMES:
        folder = tmp_path / broken
        folder.mkdir()
        with served_models(folder) as models:
            _break(tab, models, broken, fault)


def _break(tab: Any, models: Models, broken: str, fault: Any) -> None:
    fault(models.wires[broken])
    answers = [models.chat(FIRST[broken], message=LONG)["metadata"] for _ in range(2)]
    assert broken not in {answer["provider"] for answer in answers}
    tried = max(answer["tries"] for answer in answers)
    assert tried > 1
    models.server.settle()
    models.server.call(models.server.provider("files").flush())

    page = signed_in(tab, models.server)
    table = page.get_by_role("table", name="Models that clients may name")
    rows = table.get_by_role("row").filter(has_text=f"model-{broken}")
    rows.first.wait_for()
    if fault is not too_small:  # it is well, but not for this question
        rows.first.get_by_text("no requests for").first.wait_for()
    if fault is dead:
        rows.first.get_by_text("Down").or_(rows.first.get_by_text("Degraded")).first.wait_for()
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=f"{shots}/{fault.__name__}-{broken}.png", full_page=True)
    show(page, "Chats")
    chat = page.locator("details.chat").filter(has_text=f"after {tried} tries").first
    chat.locator("summary").click()
    chat.get_by_text(f"model-{answers[0]['provider']}").or_(
        chat.get_by_text(f"model-{answers[1]['provider']}")
    ).wait_for()
    if shots:
        page.screenshot(path=f"{shots}/{fault.__name__}-{broken}-chats.png", full_page=True)
    page.context.close()
