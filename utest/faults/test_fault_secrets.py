"""Passphrases and Robot's Secret values appear in no file that a run produces, at TRACE level (real robot in a child process)."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.exporters import Exporter
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

PASSPHRASES = {"plain": "Correct-Horse-7315", "quotes": 'o\'Brien "7315" <&> \\end'}
WRONG = "Wrong-Battery-9642"
TOKENS = {"plain": "Zebra-44190-token", "awkward": "Zebra '44190' \"x\" <b>&\\n \u00b5\u2264"}

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=10s
Library    Collections
Suite Setup    Open By Secret

*** Test Cases ***
Literal
    Open Jumpstarter Session    ${TARGET}    literal    passphrase=LITERAL
    Call Driver Method    echo    1    driver=trouble
Literal In Another Place
    Open Jumpstarter Session    target=${TARGET}    passphrase=LITERAL    alias=elsewhere
Wrong
    ${error} =    Run Keyword And Expect Error    CONFIGURATION:*was refused*Give the exporter's passphrase*
    ...    Open Jumpstarter Session    ${TARGET}    passphrase=WRONG
    Open Jumpstarter Session    ${TARGET}    passphrase=WRONG
Missing
    Open Jumpstarter Session    ${TARGET}
Positional
    Open Jumpstarter Session    ${TARGET}    alias    LITERAL
Positional Inside Another Keyword
    Run Keyword And Ignore Error    Open Jumpstarter Session    ${TARGET}    alias    LITERAL
Through A Keyword Of The Suite
    Open It    passphrase=LITERAL
Argument
    Switch Jumpstarter Session    secret
    Call Driver Method    echo    ${TOKEN}    driver=trouble
    Call Driver Method    echo    ${{{'user': 'me', 'words': [$TOKEN]}}}    driver=trouble
Raised
    Switch Jumpstarter Session    secret
    ${error} =    Run Keyword And Expect Error    DEVICE:*login as <secret> was refused*
    ...    Call Driver Method    fail_with_secret    ${TOKEN}    driver=trouble
    Call Driver Method    fail_with_secret    ${TOKEN}    driver=trouble
Raised As KeyError
    Switch Jumpstarter Session    secret
    Call Driver Method    fail    KeyError    ${TOKEN}    driver=trouble
Logged
    Switch Jumpstarter Session    secret
    Call Driver Method    log_secret    ${TOKEN}    driver=trouble
Returned
    Switch Jumpstarter Session    secret
    ${told} =    Call Driver Method    echo    ${TOKEN}    driver=trouble
    Log    told: ${told}
    Log Many    ${told}    word=${told}
    ${list} =    Create List    ${told}    ${{{'a': [$told]}}}
    Log List    ${list}
    Should Be Equal    ${told}    ${TOKEN.value}
    Should Be Equal    ${told}    something else
Returned Across The Cut
    Switch Jumpstarter Session    secret
    Call Driver Method    echo    ${{'x' * 190 + $TOKEN.value}}    driver=trouble
    Call Driver Method    fail    RuntimeError    ${{'x' * 1995 + $TOKEN.value}}    driver=trouble

*** Keywords ***
Open By Secret
    Open Jumpstarter Session    ${TARGET}    secret    passphrase=${PASSPHRASE}
Open It
    [Arguments]    ${passphrase}
    Open Jumpstarter Session    ${TARGET}    user    passphrase=${passphrase}
"""


@pytest.mark.parametrize("kind", ["plain", "awkward"])
def test_no_secret_in_any_file(
    kind: str, start_exporter: Callable[..., Exporter], run_robot: RobotRunner, tmp_path: Path
) -> None:
    passphrase = PASSPHRASES["plain" if kind == "plain" else "quotes"]
    token = TOKENS[kind]
    exporter = start_exporter(passphrase=passphrase)
    (tmp_path / "secrets.py").write_text(
        f"from robot.api.types import Secret\nPASSPHRASE = Secret({passphrase!r})\nTOKEN = Secret({token!r})\n"
    )
    robot_escaped = passphrase.replace("\\", "\\\\")

    run = run_robot(
        SUITE.replace("LITERAL", robot_escaped).replace("WRONG", WRONG),
        *("--variable", f"TARGET:{exporter.address}", "--variablefile", str(tmp_path / "secrets.py")),
        *("--loglevel", "TRACE", "--debugfile", "debug.txt", "--xunit", "xunit.xml"),
        timeout=60,
    )

    results = {name: ("PASS" if test.passed else test.message) for name, test in run.tests.items()}
    for name in ("Literal", "Literal In Another Place", "Through A Keyword Of The Suite", "Argument", "Logged"):
        assert results[name] == "PASS"
    for name in ("Wrong", "Missing"):
        assert "was refused" in results[name]
    assert "expected 0 to 2" in results["Positional"]
    assert "login as <secret> was refused" in results["Raised"]
    assert (
        results["Raised As KeyError"].splitlines()[0].endswith(("error: KeyError: '<secret>'.", 'error: KeyError: "<secret>".'))
    )
    assert results["Returned"].startswith("<secret> != something else")
    written = {"output.xml", "log.html", "report.html", "debug.txt", "xunit.xml", "jumpstarter"}
    assert written <= {path.name for path in run.outputdir.iterdir()}
    journals = sorted((run.outputdir / "jumpstarter").glob("*.jsonl"))
    assert len(journals) >= 4
    for secret in (passphrase, WRONG, token):
        assert leaks(run, secret) == []
    assert all(json.loads(line) for journal in journals for line in journal.read_text().splitlines())


def leaks(run: RobotRun, secret: str) -> list[str]:
    """Where the secret, or a part of it that tells it, can be read in any writing."""
    forms = {secret, repr(secret)[1:-1], html.escape(secret), html.escape(secret, quote=False), json.dumps(secret)[1:-1]}
    forms |= {word for word in ("Horse", "Brien", "Battery", "Zebra") if word in secret}
    found = [f"{path.name}: {form}" for form in sorted(forms) for path in run.files_with(form)]
    return found + [f"stdout: {form}" for form in sorted(forms) if form in run.stdout]
