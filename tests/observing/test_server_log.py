"""The server log: each line is one record, says whose request it is, and gives no secret away."""

from __future__ import annotations

import contextvars
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from orbit.config.model import Logging, LogLevel
from orbit.errors import ConfigError
from orbit.observing.server_log import configure_logging, request_id

LOGGER = logging.getLogger("orbit.test")
NOISY = ("httpx", "httpcore", "aiosqlite", "chromadb", "urllib3", "asyncio")


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, which gets its own handlers and levels back."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    levels = {name: logging.getLogger(name).level for name in NOISY}
    logger.handlers.clear()
    yield logger
    for handler in logger.handlers:
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


def configured(
    path: Path, *, form: Literal["text", "json"] = "text", verbose: bool = False, level: LogLevel = "INFO"
) -> None:
    configure_logging(Logging(console=False, server_file=str(path), format=form, level=level), verbose=verbose)


def in_request(identifier: str, message: str) -> None:
    def log() -> None:
        request_id.set(identifier)
        LOGGER.warning(message)

    contextvars.copy_context().run(log)


def test_a_line_of_text_ends_with_the_request_that_it_is_about(tmp_path: Path) -> None:
    configured(tmp_path / "log")
    in_request("r-1", "inside")
    LOGGER.warning("outside")
    inside, outside = (tmp_path / "log").read_text("utf-8").splitlines()
    assert inside.endswith("WARNING orbit.test: inside [r-1]")
    assert outside.endswith("WARNING orbit.test: outside")


def test_json_has_a_field_for_each_thing(tmp_path: Path) -> None:
    configured(tmp_path / "log", form="json")
    in_request("r-1", "inside")
    LOGGER.warning("outside", extra={"provider": "chroma"})
    inside, outside = map(json.loads, (tmp_path / "log").read_text("utf-8").splitlines())
    assert (inside["level"], inside["logger"], inside["message"], inside["request_id"]) == (
        "WARNING",
        "orbit.test",
        "inside",
        "r-1",
    )
    assert outside["provider"] == "chroma"
    assert not {"request_id", "suffix"} & set(outside)
    assert "suffix" not in inside


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_stay_out_also_of_tracebacks(tmp_path: Path, form: Literal["text", "json"]) -> None:
    configured(tmp_path / "log", form=form)
    try:
        raise ValueError("http://anna:sesame@elastic:9200 refused")
    except ValueError:
        LOGGER.exception("calling http://anna:sesame@elastic:9200 failed")
    told = (tmp_path / "log").read_text("utf-8")
    assert "elastic:9200" in told
    assert "sesame" not in told


def test_a_message_cannot_imitate_a_record(tmp_path: Path) -> None:
    configured(tmp_path / "log")
    try:
        raise ValueError("first\n2026-01-01 00:00:00 ERROR   orbit: forged")
    except ValueError:
        LOGGER.exception("a\n2026-01-01 00:00:00 ERROR   orbit: forged \x1b[31mred")
    first, *traceback = (tmp_path / "log").read_text("utf-8").splitlines()
    assert "\\n2026" in first
    assert "\x1b" not in first
    assert all(line.startswith("  ") for line in traceback)


def test_a_rotated_file_is_written_anew(tmp_path: Path) -> None:
    configured(tmp_path / "log")
    LOGGER.warning("before")
    (tmp_path / "log").rename(tmp_path / "log.1")
    LOGGER.warning("after")
    assert "before" in (tmp_path / "log.1").read_text("utf-8")
    assert "after" in (tmp_path / "log").read_text("utf-8")


def test_a_file_that_cannot_be_written_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        configured(tmp_path / "missing" / "log")
    (problem,) = raised.value.problems
    assert problem.path == "logging.server_file"
    assert "No such file" in problem.message


@pytest.mark.parametrize(("verbose", "seen"), [(False, ["warning"]), (True, ["debug", "warning"])])
def test_verbose_shows_everything_whatever_the_level(tmp_path: Path, *, verbose: bool, seen: list[str]) -> None:
    configured(tmp_path / "log", level="WARNING", verbose=verbose)
    LOGGER.debug("debug")
    LOGGER.warning("warning")
    assert [line.rpartition(" ")[2] for line in (tmp_path / "log").read_text("utf-8").splitlines()] == seen


def test_libraries_do_not_fill_the_log(tmp_path: Path) -> None:
    configured(tmp_path / "log", verbose=True)
    for name in NOISY:
        logging.getLogger(name).info("chatter")
    assert (tmp_path / "log").read_text("utf-8") == ""


def test_the_servers_own_lines_have_no_name_that_says_error(tmp_path: Path) -> None:
    configured(tmp_path / "log")
    logging.getLogger("uvicorn.error").info("started")
    assert "uvicorn: started" in (tmp_path / "log").read_text("utf-8")


def test_configuring_again_replaces_the_former_log(tmp_path: Path, root: logging.Logger) -> None:
    configured(tmp_path / "one")
    configured(tmp_path / "two")
    LOGGER.warning("once")
    assert (tmp_path / "one").read_text("utf-8") == ""
    assert (tmp_path / "two").read_text("utf-8").count("once") == 1
    assert len(root.handlers) == 1


@pytest.mark.parametrize("matching", [True, False])
def test_lines_for_the_journal_begin_with_their_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, matching: bool
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + (not matching)}")
        configure_logging(Logging(), verbose=True)
        for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
            LOGGER.log(level, "m")
        stream.flush()
        lines = (tmp_path / "journal").read_text("utf-8").splitlines()
    if matching:
        assert lines == [f"<{priority}>orbit.test: m" for priority in (2, 3, 4, 6, 7)]
    else:
        assert not any(line.startswith("<") for line in lines)


def test_each_line_of_a_traceback_in_the_journal_has_the_priority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure_logging(Logging(), verbose=False)
        try:
            raise ValueError("cause")
        except ValueError:
            LOGGER.exception("failed")
        stream.flush()
        lines = (tmp_path / "journal").read_text("utf-8").splitlines()
    assert len(lines) > 2
    assert all(line.startswith("<3>") for line in lines)


def test_a_relative_file_starts_at_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Logging(console=False, server_file="log/orbit.log")
    configure_logging(settings, verbose=False, data_dir=tmp_path / "data")
    LOGGER.info("hello")
    assert "hello" in (tmp_path / "data" / "log" / "orbit.log").read_text()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "orbit.log").touch()
    configure_logging(settings, verbose=False, data_dir=tmp_path / "data")
    LOGGER.info("again")
    assert "again" in (tmp_path / "log" / "orbit.log").read_text()
