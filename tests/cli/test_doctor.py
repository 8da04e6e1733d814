"""``orbit doctor``: one page, and an exit code for scripts."""

from pathlib import Path

import pytest
from certificates import Pair, chain_pem, key_pem, make_key
from cli_kit import runner

from orbit.builtin.echo import Echo
from orbit.config.model import Https
from orbit.serving.tls import Certificate


def test_a_well_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"general: {{data_dir: {tmp_path}/data}}\nlogging: {{file: {{enabled: false}}}}\necho: {{}}\n")
    output = runner("--config", str(config))("doctor").output
    assert "BAD" not in output
    for words in ("ORBIT", f"{tmp_path}/data", "GB free", "clock", "database       ok", "echo           ok"):
        assert words in output


def test_what_is_wrong_is_marked(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    pair = Pair(tmp_path)
    config.write_text(
        f"general: {{data_dir: {tmp_path}/data,"
        f" https: {{enabled: true, cert_file: {pair.chain}, key_file: {pair.key}}}}}\n"
        "logging: {file: {enabled: false}}\nollama: {base_url: 'http://127.0.0.1:9', model: x, start_timeout: 0}\n"
    )
    output = runner("--config", str(config))("doctor", code=1).output
    assert "certificate" in output
    assert "BAD  start" in output
    config.write_text("general: {prot: 1}\necho: {}\n")
    assert "BAD  configuration  general.prot" in runner("--config", str(config))("doctor", code=1).output


@pytest.mark.parametrize(
    ("days", "shown", "noted"),
    [
        (-3, "expired 3 days ago", "has expired on 20"),
        (30, "expires in 30 days, and is not valid yet", "is not valid before 20"),
    ],
)
def test_a_certificate_that_clients_refuse_today_says_so(
    tmp_path: Path, days: float, shown: str, noted: str, caplog: pytest.LogCaptureFixture
) -> None:
    pair, key = Pair(tmp_path), make_key()
    pair.chain.write_bytes(chain_pem(key, 1, days=days))
    pair.key.write_bytes(key_pem(key))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"general: {{data_dir: {tmp_path}/data, https: {{enabled: true, cert_file: {pair.chain}, "
        f"key_file: {pair.key}}}}}\n"
        "logging: {file: {enabled: false}}\necho: {}\n"
    )
    run = runner("--config", str(config))
    assert f"BAD  certificate    {pair.chain} {shown}" in run("doctor", code=1).output
    note = f"general.https.cert_file: {pair.chain} {noted}"
    assert f"Note: {note}" in run("check").output
    served = Certificate(Https(enabled=True, cert_file=str(pair.chain), key_file=str(pair.key)))
    assert note in caplog.text
    caplog.clear()
    pair.renew(2)
    assert served.refresh()
    assert note not in caplog.text


def test_a_plugin_whose_health_fails_is_a_line_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def health(_: Echo) -> None:
        raise RuntimeError("a fault of the plugin")

    monkeypatch.setattr(Echo, "health", health)
    config = tmp_path / "config.yaml"
    config.write_text(f"general: {{data_dir: {tmp_path}/data}}\nlogging: {{file: {{enabled: false}}}}\necho: {{}}\n")
    output = runner("--config", str(config))("doctor", code=1).output
    assert "BAD  echo           down RuntimeError while asking for its health" in output
    assert "ok   database" in output
