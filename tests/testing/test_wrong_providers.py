"""Every rule of the contract kit catches a provider that breaks it, and says so in one sentence."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from wrong_suite import TABLE, name_of

pytestmark = pytest.mark.timeout(600)  # the fixture runs a suite of its own: 40 s of a processor that others use too

FOLDER = Path(__file__).parent / "wrong"
ROWS = [(contract, row) for contract, (_, rows) in TABLE.items() for row in rows]
RIGHT = [name_of(contract, right) for contract, (right, _) in TABLE.items()]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, str]]:
    """What became of each rule: contract class and rule -> outcome and sentence."""
    report = tmp_path_factory.mktemp("wrong") / "report.xml"
    suite = str(FOLDER / "wrong_suite.py")
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "asyncio_mode=strict", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, suite],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert report.is_file(), done.stdout + done.stderr
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        told = next(iter(case), None)
        outcome = ("passed", "") if told is None else (told.tag, told.get("message", "") + (told.text or ""))
        found[case.attrib["classname"].rpartition(".")[2], case.attrib["name"]] = outcome
    return found


@pytest.mark.parametrize(
    ("contract", "row"), ROWS, ids=[f"{row.rule.removeprefix('test_')}-{row.provider.__name__}" for _, row in ROWS]
)
def test_a_fault_is_caught_and_told(outcomes, contract, row) -> None:
    outcome, sentence = outcomes[name_of(contract, row.provider), row.rule]
    assert outcome == "failure", sentence
    assert f"{row.provider.__name__} breaks a promise: " in sentence
    assert row.words in sentence
    assert "Traceback" not in sentence


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_provider_passes_every_rule(outcomes, name: str) -> None:
    told = {rule: outcome for (kind, rule), outcome in outcomes.items() if kind == name}
    assert {rule: outcome for rule, outcome in told.items() if outcome[0] != "passed"} == {}


def test_every_rule_has_a_wrong_provider() -> None:
    rules = {rule for contract in TABLE for rule in dir(contract) if rule.startswith("test_")}
    assert rules - {row.rule for _, row in ROWS} == set()


def test_every_rule_says_what_is_promised() -> None:
    for contract in TABLE:
        for rule in dir(contract):
            if rule.startswith("test_"):
                first = (getattr(contract, rule).__doc__ or "").splitlines()[:1]
                assert first, rule
                assert first[0].endswith("."), rule
