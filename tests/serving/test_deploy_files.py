"""The files in deploy/: what they promise holds, and their configurations are right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from click.testing import CliRunner
from real_servers import CACHE, needs, program
from ruamel.yaml import YAML

from orbit.cli import orbit
from orbit.config.load import parse_config
from orbit.config.yaml_text import parse_yaml
from orbit.serving.sole_server import announce
from orbit.testing import serve

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "orbit"
HELM = program("helm")
needs_helm = needs("helm")
SEVERAL = {
    "replicas": 3,
    "config": {"ollama": {"base_url": "http://ollama:11434"}, "mongodb": {"uri": "${MONGODB_URI}"}},
    "secrets": {"MONGODB_URI": "mongodb://user:secret@mongodb/orbit"},
    "existingSecret": "more",
    "adminTokenSecret": {"name": "operators", "key": "token"},
    "autoscaling": {"enabled": True},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "orbit-tls"},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "ollama"}}}], "ports": [{"port": 11434}]}],
    },
    "persistence": {"enabled": False},
    "extraEnv": [{"name": "TZ", "value": "Europe/Berlin"}],
    "nodeSelector": {"disk": "ssd"},
}


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def test_compose_has_health_checks_volumes_and_secrets_for_everything() -> None:
    compose = read(DEPLOY / "compose.yaml")
    services = compose["services"]
    assert set(services) == {"orbit", "ollama", "chroma", "mongodb"}
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped"
        for secret in service.get("secrets", ()):
            assert secret in compose["secrets"]
        for network in service["networks"]:
            assert network in compose["networks"]
        named = [volume.partition(":")[0] for volume in service["volumes"] if not volume.startswith(".")]
        assert named, f"{name} keeps something"
        assert set(named) <= set(compose["volumes"])
    for volume in (item for service in services.values() for item in service["volumes"] if item.startswith(".")):
        assert (DEPLOY / volume.partition(":")[0]).is_file()
    own = services["orbit"]
    assert set(own["depends_on"]) == set(services) - {"orbit"}
    assert (own["read_only"], own["cap_drop"], own["tmpfs"]) == (True, ["ALL"], ["/tmp"])
    assert all(port.startswith("127.0.0.1:") for port in own["ports"])
    assert not any("ports" in service for name, service in services.items() if name != "orbit")
    folders = {path.parent.name for path in (DEPLOY.parent / "plugins").glob("*/pyproject.toml")}
    assert set(own["build"]["args"]["PLUGINS"].split()) <= folders
    assert not re.search(r"(?i)password: (?!\$)", (DEPLOY / "compose" / "config.yaml").read_text())


@pytest.mark.parametrize(("text", "code"), [("", 0), ("volumess: {}\n", 1)])
def test_compose_fits_the_schema_of_its_specification(tmp_path: Path, text: str, code: int) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text((DEPLOY / "compose.yaml").read_text() + text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout + result.stderr


def test_the_queries_of_keda_are_of_metrics_that_are_there(tmp_path: Path) -> None:
    scaled = list(YAML(typ="safe", pure=True).load_all((DEPLOY / "keda.yaml").read_text()))
    assert [one["spec"]["scaleTargetRef"]["name"] for one in scaled] == ["orbit", "vllm"]
    with serve({"echo": {}, "metrics": {"access": "open"}}, tmp_path) as server:
        shown = httpx.get(f"{server.url}/metrics").text
    for one in scaled:
        (trigger,) = one["spec"]["triggers"]
        assert float(trigger["metadata"]["threshold"]) > 0
        for metric in re.findall(r"orbit_\w+", trigger["metadata"]["query"]):
            assert re.search(rf"^{metric} ", shown, re.MULTILINE), metric


def test_the_configuration_of_compose_is_right(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret")
    text = (DEPLOY / "compose" / "config.yaml").read_text().replace("/run/secrets/mongodb-password", "password")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    shown = CliRunner().invoke(orbit, ["check", "--config", str(file)])
    assert shown.exit_code == 0, (shown.output, shown.exception)
    named = set(re.findall(r"(?:host: |//)([a-z]+)", text))
    assert named == set(read(DEPLOY / "compose.yaml")["services"]) - {"orbit"}


def test_the_image_runs_as_a_user_and_asks_the_configuration_for_its_health() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert len(re.findall(r"^FROM ", text, re.MULTILINE)) == 2
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert 'CMD ["orbit", "health"]' in final
    assert "build-essential" not in final
    ignored = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all(f"!{name}" in ignored for name in copied.split()), copied


def test_the_health_check_finds_the_server_by_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"general: {{data_dir: {tmp_path}/data, port: 1}}\necho: {{}}\n")
    with serve({"echo": {}}, tmp_path / "data") as server:
        announce(tmp_path / "data", server.url)
        for option in ([], ["--ready"]):
            found = CliRunner().invoke(orbit, ["health", "--config", str(file), *option])
            assert found.exit_code == 0, found.output
        # A file that a reload refuses does not make a container unhealthy.
        file.write_text(file.read_text() + "retrieval: {limitt: 3}\n")
        assert CliRunner().invoke(orbit, ["health", "--config", str(file)]).exit_code == 0
    gone = CliRunner().invoke(orbit, ["health", "--config", str(file)])
    assert gone.exit_code == 1
    assert "cannot be reached" in gone.stderr


def test_the_bill_of_materials_names_every_package() -> None:
    text = subprocess.run([sys.executable, str(DEPLOY / "sbom.py")], capture_output=True, check=True, text=True).stdout
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "orbit-inference"
    names = [item["name"] for item in bill["components"]]
    assert {"litestar", "msgspec", "pluggy", "orbit-chroma"} <= set(names)
    assert len({item["bom-ref"] for item in bill["components"]}) == len(names)
    assert all(item["purl"] == f"pkg:pypi/{item['name']}@{item['version']}" for item in bill["components"])


def test_the_values_of_the_chart_fit_their_schema() -> None:
    schema, values = json.loads((CHART / "values.schema.json").read_text()), read(CHART / "values.yaml")
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    assert set(values) | {"global"} == set(schema["properties"])
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate({**values, "replica": 2}, schema)
    text = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert all(f".Values.{name}" in text for name in values), "each value does something"


def rendered(tmp_path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The objects of the chart by kind; of several, the last."""
    assert HELM is not None
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    environment = {**os.environ, "HELM_CACHE_HOME": str(tmp_path / "c"), "HELM_CONFIG_HOME": str(tmp_path / "f")}
    common = [str(CHART), "--values", str(file), "--kube-version", "1.31.0"]

    def helm(*arguments: str) -> str:
        command = [HELM or "", *arguments, *common]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    helm("lint", "--strict")
    made = helm("template", "town")
    check_against_the_schemas_of_kubernetes(made)
    documents = [item for item in YAML(typ="safe").load_all(made) if item]
    for item in documents:
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "town"
    return {item["kind"]: item for item in documents}


def check_against_the_schemas_of_kubernetes(text: str) -> None:
    """Have kubeconform read the objects, if it is there."""
    kubeconform = program("kubeconform")
    if kubeconform is None:
        return
    where = f"{CACHE}/kubernetes-schemas/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [kubeconform, "-strict", "-summary", "-schema-location", where]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@needs("kubeconform")
@pytest.mark.parametrize(("port", "code"), [("3000", 0), ("true", 1)])
def test_kubeconform_has_the_schemas_of_kubernetes(port: str, code: int) -> None:
    service = f"apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    with pytest.raises(AssertionError, match="Invalid: 1") if code else nullcontext():
        check_against_the_schemas_of_kubernetes(service)


@needs_helm
def test_one_pod_by_default(tmp_path: Path) -> None:
    made = rendered(tmp_path, {})
    assert set(made) == {"ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet"}
    pod = made["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 300
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    claims = {claim["metadata"]["name"] for claim in made["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert mounted == claims | {volume["name"] for volume in pod["volumes"]}
    config, problems = parse_config(parse_yaml(made["ConfigMap"]["data"]["config.yaml"], "chart"), "chart", {})
    assert problems == []
    assert (config.host.general.host, config.host.general.port) == ("0.0.0.0", 3000)
    assert str(config.data_dir) == "/var/lib/orbit"


@needs_helm
def test_everything_switched_on(tmp_path: Path) -> None:
    made = rendered(tmp_path, SEVERAL)
    assert set(made) == {
        "ConfigMap", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "Secret", "Service",
        "ServiceAccount", "StatefulSet",
    }  # fmt: skip
    spec = made["StatefulSet"]["spec"]
    assert "replicas" not in spec, "the autoscaler's own"
    (container,) = spec["template"]["spec"]["containers"]
    assert [item["secretRef"]["name"] for item in container["envFrom"]] == ["town-orbit", "more"]
    assert [item["name"] for item in container["env"]] == ["ORBIT_CONFIG", "ORBIT_ADMIN_TOKEN", "TZ"]
    assert "secret" not in json.dumps(made["ConfigMap"])
    labels = spec["template"]["metadata"]["labels"].items()
    for kind, at in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        assert made[kind]["spec"][at]["matchLabels"].items() <= labels
    assert made["Service"]["spec"]["selector"].items() <= labels
    assert made["NetworkPolicy"]["spec"]["egress"][0]["ports"][0]["port"] == 53
    assert made["Ingress"]["spec"]["tls"][0]["hosts"] == ["orbit.example.org"]


@needs_helm
def test_several_pods_without_a_common_database_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Several replicas need a database"):
        rendered(tmp_path, {"replicas": 2})
