"""The walk-through to a certificate from Let's Encrypt in docs/operations.md, with certbot and Caddy as the authority.

It wants ports 80 and 443 and a name that leads here, so the test runs this file again in a network and with a hosts
file of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import tools_kit
from tools_kit import PAGE, eventually, running, snippet, tool

pytestmark = pytest.mark.processes

NAME, AUTHORITY = "chat.example.org", "ca.example.org"
ORBIT = str(Path(sys.executable).with_name("orbit"))
NAMESPACES = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]
CADDYFILE = f"""{{
    admin off
    skip_install_trust
    http_port 4480
    https_port 4443
}}
https://{AUTHORITY}:4443 {{
    tls internal
    acme_server
}}
"""


def test_the_walk_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("certbot", "caddy", "unshare", "ip", "mount"):
        tool(name)
    if subprocess.run([*NAMESPACES, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine allows no namespaces")
    monkeypatch.setenv("PYTHONPATH", str(Path(tools_kit.__file__).parent))
    command = [*NAMESPACES, sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


class Machine:
    """What the operator has: the page's files, under a folder instead of ``/etc`` and ``/var/lib``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        self.hook = folder / "orbit-certificate"
        self.environment = {"ORBIT_CONFIG": str(self.config), "REQUESTS_CA_BUNDLE": str(self.root)}
        fakes = folder / "fakes" / "orbit_fakes-0.1.dist-info"
        fakes.mkdir(parents=True)
        (fakes / "METADATA").write_text("Metadata-Version: 2.1\nName: orbit-fakes\nVersion: 0.1\n")
        (fakes / "entry_points.txt").write_text("[orbit]\nscript = orbit.testing.fakes:Script\n")
        self.environment["PYTHONPATH"] = str(fakes.parent)

    def here(self, text: str) -> str:
        """Words of the page, with the paths of this machine and without the user and group ``orbit``."""
        moved = re.sub(r"/(etc|var/lib)/orbit\b", str(self.folder), text)
        return moved.replace("/usr/local/sbin", str(self.folder)).replace("-g orbit ", "").replace("-o orbit ", "")

    def configure(self, *, https: bool) -> None:
        text = self.here(snippet("acme_folder"))
        if not https:
            text = text.replace("enabled: true", "enabled: false")
        own = f"  data_dir: {self.folder}/data\nlogging: {{file: {{enabled: false}}}}\n"
        self.config.write_text(text + own + "script: {words: -1, delay: 0.05}\n")

    def certbot(self, command: str) -> None:
        places = [f"--{kind}-dir={self.folder}/letsencrypt/{kind}" for kind in ("config", "work", "logs")]
        subprocess.run(
            [*shlex.split(command), "--non-interactive", *places], check=True, env={**os.environ, **self.environment}
        )

    @contextmanager
    def orbit(self, port: int) -> Iterator[None]:
        with running(port, ORBIT, "serve", **self.environment):
            yield

    @contextmanager
    def authority(self) -> Iterator[None]:
        (self.folder / "Caddyfile").write_text(CADDYFILE)
        home = {"HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        command = (tool("caddy"), "run", "--config", str(self.folder / "Caddyfile"), "--adapter", "caddyfile")
        with running(4443, *command, **home):
            eventually(self.root.exists, "the authority has a certificate of its own")
            yield


def documented(words: str) -> str:
    """The command of the page that has these words."""
    (line,) = [line for line in str(PAGE.read_text()).splitlines() if words in line]
    return line.strip().removeprefix("$ sudo ")


def walk_through(folder: Path) -> None:
    machine = Machine(folder)
    machine.hook.write_text(machine.here(re.sub(r"^ {3}", "", hook_of_the_page(), flags=re.MULTILINE)))
    machine.hook.chmod(0o755)
    subprocess.run(shlex.split(machine.here(documented("install -d -o orbit"))), check=True)

    server = f"--server https://{AUTHORITY}:4443/acme/local/directory --register-unsafely-without-email --agree-tos"
    with machine.authority():
        machine.configure(https=False)
        with machine.orbit(80):
            machine.certbot(f"{machine.here(documented('certbot certonly'))} {server}")

        machine.configure(https=True)
        made = subprocess.check_output(
            [ORBIT, "keys", "create", "--name", "test", "--json"], env={**os.environ, **machine.environment}
        )
        headers = {"X-API-Key": json.loads(made)["api_key"]}
        trusted = ssl.create_default_context(cafile=machine.root)
        with (
            machine.orbit(443),
            httpx.Client(base_url=f"https://{NAME}", headers=headers, verify=trusted, timeout=20) as client,
        ):
            moved = httpx.get(f"http://{NAME}/chat")
            assert (moved.status_code, moved.headers["location"]) == (308, f"https://{NAME}/chat")
            before = served(trusted)
            with client.stream("POST", "/chat", json={"message": "Go on."}) as response:
                lines = (line for line in response.iter_lines() if line.startswith("data: "))
                assert json.loads(next(lines)[6:])["text"] == "word0 "
                machine.certbot("certbot renew --force-renewal --no-random-sleep-on-renew")
                eventually(lambda: served(trusted) != before, "the renewed certificate is in force")
                for number, line in enumerate(itertools.islice(lines, 50), start=1):
                    assert json.loads(line[6:])["text"] == f"word{number} "


def hook_of_the_page() -> str:
    (found,) = re.findall(r"^ {3}```sh\n(.*?)^ {3}```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def served(trusted: ssl.SSLContext) -> bytes:
    """The certificate that a new connection gets, whose issuer and name were checked."""
    with httpx.Client(verify=trusted) as client, client.stream("GET", f"https://{NAME}/health/live") as response:
        connection = response.extensions["network_stream"].get_extra_info("ssl_object")
        return bytes(connection.getpeercert(True))  # noqa: FBT003  # it takes no names


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "hosts").write_text(f"127.0.0.1 localhost {NAME} {AUTHORITY}\n")
    subprocess.run(["mount", "--bind", str(place / "hosts"), "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    walk_through(place)
