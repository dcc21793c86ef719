"""Answers of upstream's drivers that report success although something failed.

A driver that catches its own error answers with a sentence, a flag or nothing, and the call looks like one that worked. Each
entry here says how to tell, by type tag and method. Three cannot be told apart by anybody: `on` and `off` of EnerGenie and
Tasmota answer nothing either way, and an empty list of trouble codes of a UDS driver may be the good news.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from ..errors import DriverError
from .failures import Act, shorten

Check = Callable[[object], str | None]
"""Looks at an answer, and returns what is wrong with it, or None."""

_SILENT_TOOL = (
    "it answered nothing, which is what it does when probe-rs failed; the exporter's log says why. (If your probe-rs is silent "
    "when all is well, use Call Driver Client Method, which does not look.)"
)
_MITMPROXY_TROUBLE = re.compile(r"Error:|Failed |Invalid |Unknown |[A-Z]\w+ must be |[\w ]*not found\b", re.IGNORECASE)


def _empty(answer: object) -> str | None:
    return _SILENT_TOOL if answer in ("", None) else None


def _empty_words(answer: object) -> str | None:
    words = answer if isinstance(answer, list) else [answer]
    return None if any(words) else _SILENT_TOOL


def _not_started(answer: object) -> str | None:
    return None if isinstance(answer, str) and answer.startswith("Started") else f"it answered: {answer}"


def _sentence_of_trouble(answer: object) -> str | None:
    return f"it answered: {answer}" if isinstance(answer, str) and _MITMPROXY_TROUBLE.match(answer) else None


def _error_text(answer: object) -> str | None:
    return f"it answered: {answer}" if isinstance(answer, str) and answer.startswith("Error:") else None


def _error_in_json(answer: object) -> str | None:
    try:
        found = json.loads(answer) if isinstance(answer, str) else answer
    except ValueError:
        return None
    return f"it answered: {found['error']}" if isinstance(found, Mapping) and found.get("error") else None


def _negative_response(answer: object) -> str | None:
    if not isinstance(answer, Mapping) or answer.get("success") is not False:
        return None
    nrc, name = answer.get("nrc"), answer.get("nrc_name")
    code = f"0x{nrc:02x}" if isinstance(nrc, int) else "no code"
    return f"the ECU gave a negative response ({code}{f', {name}' if name else ''})"


def _no_values(answer: object) -> str | None:
    return "the ECU gave no value; it refused, or does not know the identifier" if answer == [] else None


def _no_device(answer: object) -> str | None:
    found = isinstance(answer, Mapping) and bool(answer.get("device_id"))
    return None if found else "it found no device in fastboot mode"


def _nothing(answer: object) -> str | None:
    return "it gave no value" if answer is None else None


_PROBE_RS = "jumpstarter_driver_probe_rs.client.ProbeRsClient"
_MITMPROXY = "jumpstarter_driver_mitmproxy.client.MitmproxyClient"
_UDS = "jumpstarter_driver_uds.client.UdsClient"

CHECKS: dict[tuple[str, str], Check] = {
    **{(_PROBE_RS, method): _empty for method in ("info", "reset_target", "erase", "download")},
    (_PROBE_RS, "read"): _empty_words,
    **{(_MITMPROXY, method): _not_started for method in ("start", "restart")},
    **{
        (_MITMPROXY, method): _sentence_of_trouble
        for method in (
            *("set_mock", "set_mock_file", "set_mock_patch", "set_mock_with_latency", "set_mock_sequence", "set_mock_template"),
            *("set_mock_addon", "set_mock_conditional", "remove_mock", "set_state", "load_mock_scenario"),
            *("load_mock_scenario_content", "upload_mock_file", "get_ca_cert", "get_ca_cert_path"),
        )
    },
    (_MITMPROXY, "wait_for_request"): _error_in_json,
    ("jumpstarter_driver_adb.client.AdbClient", "list_devices"): _error_text,
    **{
        (_UDS, method): _negative_response
        for method in (
            *("change_session", "ecu_reset", "write_data_by_identifier", "request_seed", "send_key", "clear_dtc"),
            *("start_routine", "stop_routine", "get_routine_result", "authentication", "request_file_transfer"),
        )
    },
    (_UDS, "read_data_by_identifier"): _no_values,
    ("jumpstarter_driver_ridesx.client.RideSXClient", "detect_fastboot_device"): _no_device,
    ("jumpstarter_driver_dut_network.client.DutNetworkClient", "get_dut_ip"): _nothing,
    ("jumpstarter_driver_obd.client.OBDClient", "query"): _nothing,
}
"""What to look at, by type tag and method."""


def check_success(type_tag: str, act: Act, answer: object, redact: Callable[[str], str] = str) -> None:
    """Looks at what a call returned.

    Raises:
        DriverError: the driver reported success, and its answer says that something failed.
    """
    check = CHECKS.get((type_tag, act.method))
    trouble = check(answer) if check is not None else None
    if trouble is not None:
        raise DriverError(f"{act} failed, although the driver reported success: {shorten(redact(trouble))}")
