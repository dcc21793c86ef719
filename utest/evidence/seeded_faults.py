"""The faults that are seeded, and whose failure each of them is. The table in docs/guide/failures.md is made of it."""

from __future__ import annotations

from dataclasses import dataclass

BOARD, BENCH, NOTHING = "a simulated board", "an exporter of its own", "nothing"


@dataclass(frozen=True)
class Fault:
    """One fault: what is done, and what has to be said about it."""

    name: str
    body: str
    """Lines of a test; `|` stands for the end of a line, two blanks separate cells."""
    expected: str
    reason: str = ""
    """A part of the reason that is told."""
    on: str = BOARD
    setting: str = ""
    """Further settings of the test, as lines."""
    hint: str = ""
    """What the guide says beside the fault."""


SILENT = "the exporter answered; look at power and cable, or wait with `since=power on` for what came before"
NEVER = "Wait For Line On Console  never"

FAULTS = (
    # The device, or the driver that stands for it, said no.
    Fault("console is silent", f"{NEVER}  timeout=0.2s", "device", "did not say in time", hint=SILENT),
    Fault("watcher is hit", "Fail On Console Output  Linux version|Boot And Log In", "device", "a watcher looks for"),
    Fault("watcher is hit at the end", "Fail On Console Output  Linux version|Power On|Sleep  0.8s", "device"),
    Fault("password is refused", "Power On|Login To Console  root  wrong  timeout=2s", "device"),
    Fault("command fails", "Boot And Log In|Execute Console Command  false  expected_rc=0", "device"),
    Fault("text that must not come", "Power On|Should Not Be On Console  Linux  during=2s", "device"),
    Fault("measurement outside its limit", "Record Measurement  load  5  limit=<1", "device", "outside its limit"),
    Fault("voltage is another one", "Power On|Get Voltage  >  100", "device"),
    Fault("file is not there on the device", "Download File  nope.bin  ${TEMPDIR}/nope.bin", "device"),
    Fault("time is over in a wait", f"In Time  {NEVER}  timeout=30s", "device", "while 'Wait For Line On Console' waited"),
    Fault("driver fails", "Call Driver Method  fail  RuntimeError  no light  driver=trouble", "device", on=BENCH),
    Fault("driver refuses a value", "Call Driver Method  fail  ValueError  too high  driver=trouble", "device", on=BENCH),
    Fault("driver cannot", "Call Driver Method  fail  NotImplementedError  no  driver=trouble", "device", on=BENCH),
    Fault("driver has no time", "Call Driver Method  fail  TimeoutError  late  driver=trouble", "device", on=BENCH),
    Fault("driver does not come back", "Call Driver Method  hang  driver=trouble  timeout=0.3s", "device", on=BENCH),
    Fault("meter measures nothing", "Get Voltage  driver=plug", "device", on=BENCH),
    Fault("camera sends no picture", "Take Snapshot  driver=camera", "device", on=BENCH),
    Fault("image is not what was written", "Flash Image  ${IMAGE}  verify=True  driver=flasher", "device", on=BENCH),
    Fault(
        "several failures, the device first",
        "Run Keyword And Continue On Failure  Record Measurement  x  5  limit=<1|Fail  no",
        "device",
    ),
    Fault("only the teardown fails", "No Operation", "device", setting="[Teardown]  Record Measurement  x  5  limit=<1"),
    # The lab broke.
    Fault("exporter is killed", "Kill Bench|Power On  driver=power", "infrastructure", on=BENCH),
    Fault(
        "exporter is killed in a wait", f"Open Console  driver=serial|Kill Bench|{NEVER}  timeout=1s", "infrastructure", on=BENCH
    ),
    Fault(
        "exporter is frozen",
        "Freeze Bench|Call Driver Method  on  driver=power  timeout=0.5s",
        "infrastructure",
        "did not answer",
        on=BENCH,
    ),
    Fault(
        "time is over, exporter frozen",
        "Freeze Bench|In Time  Power On  driver=power",
        "infrastructure",
        "the exporter does not answer (bench)",
        on=BENCH,
    ),
    Fault(
        "check after the session was lost",
        "Kill Bench|Run Keyword And Ignore Error  Power On  driver=power|Should Be Equal  ${1}  ${2}",
        "infrastructure",
        "a session was lost before",
        on=BENCH,
    ),
    Fault(
        "nobody listens",
        "${port} =  Get Free Port|Open Jumpstarter Session  127.0.0.1:${port}  timeout=2s",
        "infrastructure",
        "could not be reached",
        on=NOTHING,
    ),
    Fault("socket is not there", "Open Jumpstarter Session  unix:/nonexistent/socket", "infrastructure", on=NOTHING),
    Fault("author says that the lab is dark", "Fail  INFRASTRUCTURE: no light in the lab", "infrastructure", on=NOTHING),
    # A target, file, name or setting is wrong.
    Fault("driver is not there", "Power On  driver=nope", "configuration"),
    Fault("no target", "Open Jumpstarter Session", "configuration", on=NOTHING),
    Fault("configuration is not there", "Open Jumpstarter Session  ${TEMPDIR}/nope/bench.yaml", "configuration", on=NOTHING),
    Fault(
        "baseline is not there",
        "Record Measurement  x  1|Compare With Baseline  ${TEMPDIR}/nope.json",
        "configuration",
        on=NOTHING,
    ),
    Fault("image is not there on the test's machine", "Flash Image  ${TEMPDIR}/nope.img", "configuration"),
    Fault("environment variable is not set", "Log  %{JUMPSTARTER_NOPE}", "configuration", "environment variable", on=NOTHING),
    # The test asked for something wrong, or its own check failed.
    Fault(
        "check of the test",
        "Power On|Wait For Line On Console  JLBoot  since=power on|Should Be Equal  ${1}  ${2}",
        "test",
        "a check of the test itself",
        setting="[Teardown]  Power Off",
    ),
    Fault("keyword is not there", "Fly To The Moon", "test", "the suite has a mistake"),
    Fault("too many arguments", "Switch Console  a  b  c", "test", "the suite has a mistake"),
    Fault("variable is not there", "Log  ${nope}", "test", "the suite has a mistake"),
    Fault("argument is no time", f"{NEVER}  timeout=soon", "test", "the suite has a mistake"),
    Fault("no such session", "Switch Jumpstarter Session  nope", "test"),
    Fault("alias is taken", "Open Jumpstarter Session  mock  alias=board", "test"),
    Fault("no session is open", "Power On", "test", on=NOTHING),
    Fault("driver has no such method", "Call Driver Method  nope  driver=power", "test"),
    Fault("time is over in a step of the test", "Sleep  5s", "test", "the test's own steps", setting="[Timeout]  0.2s"),
    Fault(
        "setup fails, and the teardown too",
        "No Operation",
        "test",
        setting="[Setup]  Fail  no|[Teardown]  Record Measurement  x  5  limit=<1",
    ),
    # A defect of this library.
    Fault("library breaks", "Break Library|Power On", "library", "please report", setting="[Teardown]  Mend Library"),
)

HEAD = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=5s    health=${HEALTH}
Library    EvidenceBench.py
Suite Teardown    End Bench
Test Tags    seeded

*** Variables ***
${IMAGE}    ${CURDIR}/image.bin

*** Keywords ***
Boot And Log In
    Power On
    Login To Console    root    sesame

Fresh Board
    Open Jumpstarter Session    mock    alias=board
    Open Console

Fresh Bench
    ${address} =    Start Bench
    Open Jumpstarter Session    ${address}    alias=bench

In Time
    [Arguments]    @{keyword and arguments}    &{named}
    [Timeout]    0.3s
    Run Keyword    @{keyword and arguments}    &{named}

Clean Up
    Mend Library
    Run Keyword And Ignore Error    Close All Jumpstarter Sessions

*** Test Cases ***
"""

OPENING = {BOARD: ["Fresh Board"], BENCH: ["Fresh Bench"], NOTHING: []}


def suite() -> str:
    """A suite with one test for each fault; each cleans up after its own teardown, in the next one's first line."""
    text = HEAD
    for fault in FAULTS:
        lines = [*fault.setting.split("|"), "Clean Up", *OPENING[fault.on], *fault.body.split("|")]
        text += fault.name + "\n" + "".join(f"    {'    '.join(line.split('  '))}\n" for line in lines if line)
    return text


def table() -> str:
    """The faults as a table in Markdown."""
    titles = {"device": "DEVICE", "infrastructure": "INFRASTRUCTURE", "configuration": "CONFIGURATION", "test": "TEST"}
    rows = [
        f"| {fault.name}{f': {fault.hint}' if fault.hint else ''} | {titles.get(fault.expected, 'LIBRARY')} |" for fault in FAULTS
    ]
    return "\n".join(["| What happens | Class |", "|---|---|", *rows])
