"""Tags that say what a test needs: skipped before the setup, or when the test opens its device; typing errors are errors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

from JumpstarterLibrary import client
from JumpstarterLibrary.client.driver import DriverClient
from JumpstarterLibrary.errors import UsageError
from JumpstarterLibrary.needs import FAMILIES, Need, parse
from JumpstarterLibrary.sessions import Sessions

HEAD = "*** Settings ***\nLibrary    JumpstarterLibrary\n"
BENCH = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: bench}
export:
  dut:
    children:
      power: {type: JumpstarterLibrary.drivers.MockPower}
  supply: {type: JumpstarterLibrary.drivers.MockPower}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("needs") / "bench.yaml"
    path.write_text(BENCH)
    return path


# ------------------------------------------------------------------ the words


def test_every_family_of_driver_clients_can_be_needed() -> None:
    found = set()
    for module in pkgutil.iter_modules(client.__path__):
        classes = vars(importlib.import_module(f"{client.__name__}.{module.name}")).values()
        found |= {each.family for each in classes if inspect.isclass(each) and issubclass(each, DriverClient) and each.tags}
    assert len(found) > 8
    assert found == {family for families in FAMILIES.values() for family in families}


@pytest.mark.parametrize(
    ("text", "need"),
    [
        ("power", Need("power", family="power")),
        ("Storage Mux", Need("Storage Mux", family="storage-mux")),
        ("U-Boot", Need("U-Boot", family="uboot")),
        ("http_server", Need("http_server", family="http")),
        ("dut.power", Need("dut.power", path="dut.power")),
        (".supply", Need(".supply", path="supply")),
        ("peer:video", Need("peer:video", family="video", alias="peer")),
        (" peer : dut.power", Need(" peer : dut.power", path="dut.power", alias="peer")),
    ],
)
def test_what_can_be_written(text: str, need: Need) -> None:
    assert parse(text) == need


@pytest.mark.parametrize("text", ["vidoe", "", "peer:", "supply", "."])
def test_a_typing_error_is_an_error_with_the_known_words(text: str) -> None:
    with pytest.raises(UsageError, match="there is no family of drivers") as caught:
        parse(text)
    assert all(family in str(caught.value) for family in FAMILIES)
    assert ("Did you mean 'video'?" in str(caught.value)) == (text == "vidoe")


def test_every_family_of_the_simulated_board_is_found() -> None:
    sessions = Sessions()
    try:
        trees = [sessions.open(target).device.tree for target in ("mock", "mock:lab", "mock:power")]
    finally:
        sessions.close_all()

    def met(text: str) -> list[bool]:
        return [parse(text).is_met_by(tree) for tree in trees]

    assert met("power") == [True, False, True]
    assert met("storage") == met("files") == [True, True, False]
    assert met("console") == met("video") == met("network") == [True, False, False]
    assert met("http") == met("tftp") == [False, True, False]
    assert met("uboot") == met("ssh") == [False, False, False]
    assert met("storage-mux") == [True, False, False]


# ------------------------------------------------------------------ in robot


@pytest.mark.acceptance
def test_a_test_whose_device_lacks_something_is_skipped_before_its_setup(run_robot: RobotRunner, bench: Path) -> None:
    run = run_robot(
        HEAD + f"Suite Setup    Open Jumpstarter Session    {bench}    dut\n\n*** Test Cases ***\n"
        "Can\n    [Tags]    needs:power\n    No Operation\n"
        "Path\n    [Tags]    Needs:dut.power    needs:.supply\n    No Operation\n"
        "Cannot\n    [Tags]    needs:video    needs:power    needs:console\n    [Setup]    Fail    begun\n    Fail    begun\n"
        "    [Teardown]    Fail    begun\n"
        "No Path\n    [Tags]    needs:dut.console\n    [Timeout]    1 minute\n    Fail    begun\n"
        "Typing Error\n    [Tags]    needs:vidoe\n    Fail    begun\n"
        "No Needs\n    No Operation\n"
    )

    assert {name: test.status for name, test in run.tests.items()} == {
        "Can": "PASS",
        "Path": "PASS",
        "Cannot": "SKIP",
        "No Path": "SKIP",
        "Typing Error": "FAIL",
        "No Needs": "PASS",
    }
    has = "It has dut.power (power), supply (power)."
    assert run.tests["Cannot"].message == f"Device 'dut' ({bench}) has no console driver and no video driver. {has}"
    assert list(run.tests["Cannot"].tags) == ["needs:console", "needs:power", "needs:video"]
    assert run.tests["No Path"].message == f"Device 'dut' ({bench}) has no driver 'dut.console'. {has}"
    assert run.tests["Typing Error"].message.startswith("TEST: 'needs:vidoe' cannot be checked: there is no family")
    assert "Did you mean 'video'? Known: power, console, storage" in run.tests["Typing Error"].message
    assert run.returncode == 1


@pytest.mark.acceptance
def test_a_device_that_the_test_opens_is_looked_at_then(run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD.replace("JumpstarterLibrary", "JumpstarterLibrary    auto_close=TEST") + "\n*** Test Cases ***\n"
        "Setup Cannot\n    [Tags]    needs:video\n    [Setup]    Open Jumpstarter Session    mock:power\n    Fail    begun\n"
        "Setup Can\n    [Tags]    needs:video\n    [Setup]    Open Jumpstarter Session    mock\n    Power On\n"
        "Body Cannot\n    [Tags]    needs:console\n    TRY\n"
        "        Run Keyword And Ignore Error    Open Jumpstarter Session    mock:power\n"
        "    EXCEPT    *    type=GLOB\n        Log    caught\n    END\n    Fail    begun\n"
        "Typing Error\n    [Tags]    needs:peer:vidoe\n    Fail    begun\n"
    )

    assert {name: test.status for name, test in run.tests.items()} == {
        "Setup Cannot": "SKIP",
        "Setup Can": "PASS",
        "Body Cannot": "SKIP",
        "Typing Error": "FAIL",
    }
    for name in ("Setup Cannot", "Body Cannot"):
        assert "Device 'mock-power' (mock:power) has no" in run.tests[name].message, run.tests[name].message
    assert "It has the root (power)." in run.tests["Body Cannot"].message
    assert "TEST: 'needs:peer:vidoe' cannot be checked" in run.tests["Typing Error"].message


@pytest.mark.acceptance
def test_with_several_devices_any_will_do_unless_one_is_named(run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD + "Suite Setup    Open Jumpstarter Sessions    dut=mock    peer=mock:power\n\n*** Test Cases ***\n"
        "Any\n    [Tags]    needs:video\n    No Operation\n"
        "None\n    [Tags]    needs:ssh    needs:tftp\n    Fail    begun\n"
        "Named Can\n    [Tags]    needs:dut:video    needs:peer:power\n    No Operation\n"
        "Named Cannot\n    [Tags]    needs:peer:video\n    Fail    begun\n"
        "Opened Later\n    [Tags]    needs:third:video\n    Open Jumpstarter Session    mock:power    fourth\n"
        "    Open Jumpstarter Session    mock:power    third\n    Fail    begun\n"
        "Never Opened\n    [Tags]    needs:fifth:video\n    No Operation\n"
    )

    assert {name: test.status for name, test in run.tests.items()} == {
        "Any": "PASS",
        "None": "SKIP",
        "Named Can": "PASS",
        "Named Cannot": "SKIP",
        "Opened Later": "SKIP",
        "Never Opened": "PASS",
    }
    assert run.tests["None"].message.startswith(
        "None of the 2 open devices has a ssh driver, or a tftp driver.\n'dut' (mock) has "
    )
    assert "\n'peer' (mock:power) has the root (power)." in run.tests["None"].message
    assert run.tests["Opened Later"].message.startswith("Device 'third' (mock:power) has no video driver.")
    warnings = [message.message for message in run.result.errors.messages]
    assert len(warnings) == 1
    assert "'Never Opened' is tagged 'needs:fifth:video', which nobody has checked" in warnings[0]
