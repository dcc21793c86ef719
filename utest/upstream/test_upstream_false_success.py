"""Calls that report success although something failed are failures here (each driver named as upstream's own are)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from upstream_support import opened, tagged

from JumpstarterLibrary.client.false_success import CHECKS
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.client.resources import upload
from JumpstarterLibrary.errors import DriverError
from JumpstarterLibrary.exporter import Driver, export

PROBE_RS = "jumpstarter_driver_probe_rs.client.ProbeRsClient"
MITMPROXY = "jumpstarter_driver_mitmproxy.client.MitmproxyClient"
ADB = "jumpstarter_driver_adb.client.AdbClient"
UDS = "jumpstarter_driver_uds.client.UdsClient"
RIDESX = "jumpstarter_driver_ridesx.client.RideSXClient"
NETWORK = "jumpstarter_driver_dut_network.client.DutNetworkClient"
OBD = "jumpstarter_driver_obd.client.OBDClient"

NEGATIVE = {"service": "ECUReset", "success": False, "data": None, "nrc": 0x22, "nrc_name": "ConditionsNotCorrect"}
TIMED_OUT = json.dumps({"error": "Timed out waiting for GET /x after 1s"})

# The tag, the method, an answer that hides a failure with a word of the message, and one that is all right.
CASES = [
    (PROBE_RS, "info", "", "answered nothing", "Probe 0: ST-Link"),
    (PROBE_RS, "reset_target", "", "answered nothing", "ok"),
    (PROBE_RS, "erase", "", "answered nothing", "ok"),
    (PROBE_RS, "download", "", "answered nothing", "ok"),
    (PROBE_RS, "read", [""], "answered nothing", ["20000000", "0"]),
    (MITMPROXY, "start", "Failed to start on port 8080: in use", "in use", "Started in 'mock' mode on 127.0.0.1:8080"),
    (MITMPROXY, "start", "Already running in 'mock' mode (PID 3). Stop first.", "Already", "Started in 'mock' mode"),
    (MITMPROXY, "restart", "Unknown mode 'x'. Use: mock", "Unknown mode", "Started in 'record' mode"),
    (MITMPROXY, "set_mock", "Invalid body JSON: x", "Invalid body", "Mock set: GET /x → 200"),
    (MITMPROXY, "set_mock_sequence", "Sequence must be a non-empty JSON array", "Sequence must", "Sequence mock set: GET /x"),
    (MITMPROXY, "remove_mock", "Mock not found: GET /x", "not found", "Removed mock: GET /x"),
    (MITMPROXY, "load_mock_scenario", "Failed to load scenario: x", "Failed to load", "Loaded 3 endpoint(s)"),
    (MITMPROXY, "get_ca_cert", "Error: CA cert not found at /x.", "CA cert", "-----BEGIN CERTIFICATE-----"),
    (MITMPROXY, "wait_for_request", TIMED_OUT, "Timed out", json.dumps({"path": "/x"})),
    (ADB, "list_devices", "Error: adb is gone", "adb is gone", "List of devices attached\n"),
    (UDS, "ecu_reset", NEGATIVE, "0x22, ConditionsNotCorrect", {**NEGATIVE, "success": True}),
    (UDS, "start_routine", NEGATIVE, "negative response", {**NEGATIVE, "success": True}),
    (UDS, "send_key", {**NEGATIVE, "nrc": None, "nrc_name": None}, "no code", {**NEGATIVE, "success": True}),
    (UDS, "read_data_by_identifier", [], "no value", [{"did": 1, "value": "00"}]),
    (RIDESX, "detect_fastboot_device", {"status": "no_device_found", "device_id": None}, "no device", {"device_id": "a"}),
    (NETWORK, "get_dut_ip", None, "no value", "10.0.0.2"),
    (OBD, "query", None, "no value", "800 rpm"),
]


@pytest.mark.parametrize(("tag", "method", "answer", "told", "good"), CASES, ids=[f"{c[0].split('.')[-1]}.{c[1]}" for c in CASES])
def test_a_failure_that_looks_like_success_fails(tag: str, method: str, answer: Any, told: str, good: Any) -> None:
    with opened(tagged(tag, **{method: answer})) as device, pytest.raises(DriverError) as failure:
        device.root.call(method)
    assert "although the driver reported success" in str(failure.value)
    assert told in str(failure.value)


@pytest.mark.parametrize(("tag", "method", "answer", "told", "good"), CASES, ids=[f"{c[0].split('.')[-1]}.{c[1]}" for c in CASES])
def test_a_success_stays_one(tag: str, method: str, answer: Any, told: str, good: Any) -> None:
    with opened(tagged(tag, **{method: good})) as device:
        assert device.root.call(method) == good


def test_other_drivers_may_answer_as_they_like() -> None:
    with opened(tagged("mylab.Client", info="", start="Failed to start", ecu_reset=NEGATIVE)) as device:
        assert device.root.call("info") == ""
        assert device.root.call("start") == "Failed to start"
        assert device.root.call("ecu_reset") == NEGATIVE


def test_every_check_is_tried_here_by_its_driver() -> None:
    assert {tag for tag, _ in CHECKS} == {case[0] for case in CASES}
    assert {check for key, check in CHECKS.items()} == {CHECKS[case[0], case[1]] for case in CASES}


def test_an_upload_looks_at_the_answer_too() -> None:
    class SilentProbe(Driver):
        @classmethod
        def client(cls) -> str:
            return PROBE_RS

        @export
        async def download(self, source: Any) -> str:
            async with self.resource(source) as stream:
                async for _ in stream:
                    pass
            return ""

    with opened(SilentProbe()) as device, pytest.raises(DriverError, match="although the driver reported success"):
        upload(device.root, "download", Source.of_bytes(b"firmware", "firmware.elf"))
