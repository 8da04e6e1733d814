"""Files of a server that speaks SFTP: paramiko's own, on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orbit import CallContext, Fetched, ProviderError
from orbit.testing import host

paramiko = pytest.importorskip("paramiko")


class Password(paramiko.ServerInterface):  # type: ignore[misc,name-defined]  # it has no types
    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("orbit", "s3cret")
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, number: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class Folder(paramiko.SFTPServerInterface):  # type: ignore[misc,name-defined]  # it has no types
    root = ""

    def _real(self, path: str) -> Path:
        return Path(self.root + self.canonicalize(path))

    def list_folder(self, path: str) -> Any:
        return [paramiko.SFTPAttributes.from_stat(file.lstat(), file.name) for file in self._real(path).iterdir()]

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = self._real(path).open("rb")  # paramiko closes it
        return handle


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of the server, which has the folder ``papers``."""
    papers = tmp_path / "papers"
    (papers / "old").mkdir(parents=True)
    (papers / "tea.md").write_text("# Tea\n\nTea is steeped for three minutes.")
    (papers / "old" / "sand dunes.txt").write_text("Dunes wander.")
    key = paramiko.RSAKey.generate(2048)
    folder = type("Papers", (Folder,), {"root": str(tmp_path)})
    transports: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, folder)
            transports.append(transport)
            transport.start_server(threading.Event(), Password())

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"sftp://orbit@127.0.0.1:{listener.getsockname()[1]}/papers"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for transport in transports:
        transport.close()
        transport.join()


async def fetched(tmp_path: Path, settings: dict[str, Any], known: dict[str, str]) -> list[Fetched]:
    config: dict[str, dict[str, Any]] = {"echo": {}, "fsspec": settings}
    async with host(config, tmp_path / "data") as running:
        return [file async for file in running.fetch("fsspec", known, CallContext("sync"))]


async def test_files_are_fetched_once_and_again_when_they_change(server: str, tmp_path: Path) -> None:
    settings = {"url": server, "credentials": {"password": "s3cret"}}
    first = await fetched(tmp_path, settings, {})
    assert {file.name: file.content for file in first} == {
        "tea.md": b"# Tea\n\nTea is steeped for three minutes.",
        "old/sand dunes.txt": b"Dunes wander.",
    }
    (tmp_path / "papers" / "tea.md").write_text("# Tea\n\nTea is steeped for five minutes, at most.")
    second = await fetched(tmp_path, settings, {file.name: file.version for file in first})
    assert {file.name for file in second if file.content is not None} == {"tea.md"}


async def test_a_wrong_password_is_named_but_not_shown(server: str, tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="cannot be listed: AuthenticationException") as caught:
        await fetched(tmp_path, {"url": server, "credentials": {"password": "wr0ng"}}, {})
    assert "wr0ng" not in caught.value.message
