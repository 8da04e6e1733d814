"""``import:`` of the earlier ORBIT: other files whose sections the file completes or overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orbit.config.yaml_text import Repeated, read_yaml
from orbit.errors import Problem

_MOST = 200
"""Most files that one configuration may import."""


def with_imports(
    data: dict[str, Any], folder: Path, problems: list[Problem], missing: list[str], repeated: list[Repeated]
) -> dict[str, Any]:
    """Return a file's content merged with that of its imports; its own values win, and ``adapters`` add up.

    Adds the names of files that do not exist to ``missing``, as the earlier ORBIT went on without them, and keys that
    appear twice to ``repeated``.
    Raises ConfigError if an imported file is not YAML.
    """
    return _merged_with_imports(data, folder, problems, missing, repeated, set())


def _merged_with_imports(
    data: dict[str, Any],
    folder: Path,
    problems: list[Problem],
    missing: list[str],
    repeated: list[Repeated],
    seen: set[Path],
) -> dict[str, Any]:
    if "import" not in data:
        return data
    rest = {name: value for name, value in data.items() if name != "import"}
    names = data["import"]
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.append(Problem("import", "must be a list of YAML files."))
        return rest
    merged: dict[str, Any] = {}
    for name in names:
        file = (folder / name).resolve()
        if file in seen or len(seen) >= _MOST:
            problems.append(Problem("import", f"{name} is imported a second time, or there are over {_MOST} files."))
            continue
        seen.add(file)
        if not file.is_file():
            missing.append(name)
            continue
        content = read_yaml(file, repeated)
        if isinstance(content, dict):
            merged = _merged(merged, _merged_with_imports(content, file.parent, problems, missing, repeated, seen))
        elif content is not None:
            problems.append(Problem("import", f"{name} must be a mapping of sections."))
    return _merged(merged, rest)


def _merged(under: dict[str, Any], over: dict[str, Any], *, top: bool = True) -> dict[str, Any]:
    result = dict(under)
    for name, value in over.items():
        below = under.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            result[name] = _merged(below, value, top=False)
        elif top and name == "adapters" and isinstance(value, list) and isinstance(below, list):
            result[name] = [*below, *value]
        else:
            result[name] = value
    return result
