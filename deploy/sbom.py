"""Writes the software bill of materials of this Python environment: CycloneDX 1.6 in JSON, on standard output.

python deploy/sbom.py > sbom.cdx.json
"""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from typing import Any
from uuid import uuid4

HOST = "orbit-inference"


def component(found: Distribution) -> dict[str, Any]:
    """Return one package as a component; its identifier is its package URL."""
    name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
    entry: dict[str, Any] = {
        "type": "application" if name == HOST else "library",
        "bom-ref": f"pkg:pypi/{name}@{found.version}",
        "name": name,
        "version": found.version,
        "purl": f"pkg:pypi/{name}@{found.version}",
    }
    told = found.metadata.json
    if summary := told.get("summary"):
        entry["description"] = summary
    if expression := told.get("license_expression"):
        entry["licenses"] = [{"expression": expression}]
    elif names := [item for item in told.get("classifier", ()) if item.startswith("License :: ")]:
        entry["licenses"] = [{"license": {"name": item.rpartition(" :: ")[2]}} for item in names]
    return entry


def bill() -> dict[str, Any]:
    """Return the bill of all packages that this Python finds."""
    found = {item["purl"]: item for item in map(component, distributions())}
    whole = [item for item in found.values() if item["name"] == HOST]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid4()}",
        "version": 1,
        "metadata": {"timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "component": whole[0]},
        "components": sorted((item for item in found.values() if item["name"] != HOST), key=lambda item: item["purl"]),
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
