"""Tests mirror the source: who changes a module finds its tests by its name."""

import re
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ORBIT = TESTS.parent / "orbit"
ROOMS = ("auth", "chat", "database", "host", "observing", "system", "web")
"""The rooms of which every module has tests of its own."""

ELSEWHERE = {
    "chat/history/storing.py": (
        "chat/history/test_responses.py",
        "storing, by what stores",
    ),
    "chat/outcome.py": ("chat/test_pipeline.py", "types without behaviour, of what the pipeline ends with"),
    "web/wires/used_tools.py": ("chat/tools/test_loop.py", "tools of answers, as clients of each protocol see them"),
    "database/conversations.py": ("kits/database_contract.py", "a contract, which every database passes"),
    "database/transferable.py": ("database/test_transfer.py", "a contract, which every database passes"),
    "host/documents/connectors.py": ("documents/test_sync.py", "connectors, as a run calls them"),
    "host/plugins/describe.py": ("host/test_plugins_show.py", "what one command shows"),
    "host/documents/file_plugins.py": (
        "documents/reading/test_plugin_readers.py",
        "readers, as ingestion calls them",
    ),
    "host/host.py": ("host/test_contract.py", "the host as plugins and commands use it"),
    "host/plugins/load.py": ("host/test_contract.py", "what the loader says of wrong plugins"),
    "host/plugins/renamed.py": ("host/test_one_meaning.py", "settings by their earlier names"),
    "host/plugins/verify.py": ("host/test_contract.py", "what the loader says of wrong plugins"),
    "host/plugins/verify_settings.py": ("host/test_settings_errors.py", "what the loader says of wrong settings"),
    "web/admin_guard.py": ("web/api/test_admin_session.py", "who may use the operators' routes"),
    "web/api/openapi.py": ("web/api/test_schema.py", "the document that it adds to"),
    "web/api/schema_page.py": ("web/api/test_schema.py", "the page of that document"),
    "web/app.py": ("web/test_routing.py", "the application from outside"),
    "web/chat_routes.py": ("web/test_routing.py", "the routes of chats, from outside"),
    "web/error_responses.py": ("web/test_routing.py", "errors of every protocol, from outside"),
    "web/api/admin/control.py": ("serving/test_reload.py", "what a reload changes, from outside"),
    "web/loaded_app.py": ("serving/test_reload.py", "requests beside a reload, from outside"),
    "web/http/operation.py": ("web/api/test_schema.py", "operations in that document"),
    "web/http/own_router.py": ("web/test_routing.py", "the routes below routers, from outside"),
    "web/http/root_path.py": ("serving/test_root_path.py", "a server behind a proxy, from outside"),
    "web/services.py": ("web/test_routing.py", "opens what the application serves"),
    "web/wires/counting.py": ("web/wires/test_openai_responses.py", "sizes of prompts, as clients ask for them"),
    "web/wires/extra.py": ("web/wires/test_openai.py", "what ORBIT adds to answers, as clients read it"),
    "web/wires/parameters.py": ("web/wires/test_openai.py", "parameters that are refused, as clients send them"),
    "web/wires/question.py": ("web/wires/test_fetching.py", "questions whose images are fetched"),
    "web/wires/route.py": ("web/wires/test_orbit.py", "the route of every wire"),
    "web/wires/sending.py": ("web/wires/test_orbit.py", "the answers of every wire"),
}
"""Modules without a test file of their name: which tests guard them, and why there."""

MODULES = sorted(
    path.relative_to(ORBIT) for room in ROOMS for path in (ORBIT / room).rglob("*.py") if path.name != "__init__.py"
)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_has_tests(module: Path) -> None:
    own = TESTS / module.parent / f"test_{module.stem}.py"
    packages = [TESTS / folder.parent / f"test_{folder.name}.py" for folder in module.parents if folder.name]
    if own.exists() or any(path.exists() for path in packages):
        return
    assert module.as_posix() in ELSEWHERE, f"write {own.relative_to(TESTS.parent)}"
    assert (TESTS / ELSEWHERE[module.as_posix()][0]).exists()


def test_no_exception_outlives_its_module() -> None:
    assert set(ELSEWHERE) <= {module.as_posix() for module in MODULES}


def test_each_step_of_the_newcomers_walk_is_a_file() -> None:
    page = (TESTS.parent / "docs" / "architecture.md").read_text("utf-8")
    walk = page.partition("## A newcomer's walk")[2].partition("## The rooms")[0]
    steps = re.findall(r"`([\w/]+\.py)`", walk)
    assert len(steps) > 25
    assert [step for step in steps if not (ORBIT / step).is_file()] == []


def test_nothing_is_kept_that_a_run_left_behind() -> None:
    """A benchmark's log was committed once."""
    ignored = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
        check=False,
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
    )
    if ignored.returncode:
        pytest.skip("not a checkout of git")
    assert ignored.stdout == ""
