"""Sessions for contributors: ``nox`` runs lint, types and tests; ``nox -l`` lists all sessions."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "none"  # all but the tests on other Pythons use .venv, which ./test.sh makes

PYTHON = ".venv/bin/python"
PLATFORMS = {"linux": (), "darwin": (), "win32": ("orbit", "plugins")}  # the tests drive servers by POSIX signals


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and the generated documentation."""
    session.run(PYTHON, "-m", "ruff", "check", ".", external=True)
    session.run(PYTHON, "-m", "ruff", "format", "--check", ".", external=True)
    session.run(PYTHON, "scripts/write_docs.py", "--check", external=True)


@nox.session
def types(session: nox.Session) -> None:
    """Check types as each operating system sees them."""
    for platform, folders in PLATFORMS.items():
        cache = f".mypy_cache/{platform}"  # mypy makes a shared cache anew whenever the platform differs
        session.run(PYTHON, "-m", "mypy", "--platform", platform, "--cache-dir", cache, *folders, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest: nox -s tests -- tests/web -k stream."""
    session.run("./test.sh", *session.posargs, external=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests and print the share of the host's lines and branches that they reach; arguments go to pytest."""
    session.run(PYTHON, "-m", "coverage", "erase", external=True)
    run = (PYTHON, "-m", "coverage", "run", "-m", "pytest", *session.posargs)
    session.run(*run, external=True, success_codes=[0, 1])  # a failure is a matter of the session "tests"
    session.run(PYTHON, "-m", "coverage", "combine", "--quiet", external=True)
    session.run(PYTHON, "-m", "coverage", "report", external=True)


@nox.session(venv_backend="venv", python=["3.11", "3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """Run the host's tests on each Python that this machine has."""
    plugins = (
        "openai",
        "anthropic",
        "ollama",
        "safety",
        "cache",
        "wordllama",
        "onnx[minilm,multilingual]",
        "es",
        "chroma",
        "lexical",
        "pgvector",
        "ray",
        "fsspec[s3,webdav,http]",
        "web",
        "mcp",
        "ocr",
    )
    session.install("-c", "constraints.txt", "-e", ".[eval,mongodb,old-office,testing]", "-r", "requirements-dev.txt")
    session.install("-c", "constraints.txt", *(f"./plugins/orbit_{name}" for name in plugins))
    session.run("python", "-m", "pytest", "tests/host", "tests/config", "tests/chat", "tests/web", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into build/site."""
    session.run(PYTHON, "scripts/build_site.py", external=True)


@nox.session
def mutants(session: nox.Session) -> None:
    """Count the faults in modules that their own tests notice: nox -s mutants -- auth chat/admission."""
    session.run(PYTHON, "-m", "pip", "install", "--quiet", "-c", "constraints.txt", "mutmut==3.8.1", external=True)
    session.run(PYTHON, "scripts/mutants.py", *session.posargs, external=True)
