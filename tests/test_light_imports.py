"""What starts often imports only what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("orbit.serving.server", {"httpx", "orbit.documents.reading.readers"}),
        ("orbit.documents.reading.readers", {"orbit.config.load", "orbit.host.host", "openpyxl", "pypdfium2"}),
    ],
    ids=["a server", "a reading process"],
)
def test_it_imports_nothing_heavy(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_litestar_imports_no_library_that_only_plugins_would_use(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from orbit.testing import serve\n"
        "with serve({'echo': {}}, pathlib.Path(sys.argv[1])): print({'pydantic', 'attrs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
