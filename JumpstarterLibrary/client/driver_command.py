"""Upstream's command line for drivers, `j`, run against the session of a device (protocol §6.1)."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Sequence

from ..errors import ConfigurationError, DriverError, DriverTimeoutError, JumpstarterError, SessionLostError, UsageError
from ..journal import CallEnded
from ..wire.deadline import Timeout, in_words, seconds
from ..wire.protocol import NAME_LABEL
from .allow_list import EXTRA, AllowList, package_of, refusal
from .channel import Security
from .device import Device
from .driver import DriverClient
from .failures import Act, shorten
from .processes import CommandOutcome, CommandTimeout, run

SHOWN = 2000
"""Characters of a failed command's output that go into the message: the last ones."""
_J = """\
import sys
import click.exceptions

# Exit statuses come from the exporter as floating-point numbers, which 'j' takes for no status at all, and ends with 0.
begin = click.exceptions.Exit.__init__
click.exceptions.Exit.__init__ = lambda self, code=0: begin(self, int(code))
sys.argv[0] = "j"
from jumpstarter_cli.j import j
j()
"""
_OURS = ("JMP_GRPC_PASSPHRASE", "JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE", "JMP_DRIVERS_UNSAFE")


def run_driver_command(
    device: Device,
    driver: DriverClient,
    arguments: Sequence[str],
    *,
    allow: Sequence[str] = (),
    timeout: Timeout | None = None,
    input: str | None = None,  # noqa: A002 - as in subprocess
    expected_rc: int | None = 0,
) -> CommandOutcome:
    """Runs `j` with a driver's path and arguments, and waits for its end.

    Args:
        device: where.
        driver: which driver; its path stands before the arguments.
        arguments: what follows.
        allow: patterns for classes that may be imported, beside those in `JMP_DRIVERS_ALLOW`.
        timeout: how long it may take; the device's unless given.
        input: what it reads.
        expected_rc: the exit status that is no failure; None takes any.

    Raises:
        ConfigurationError: `j` is not installed, may not import the classes it needs, or cannot reach this exporter.
        DriverError: another exit status.
        DriverTimeoutError: it did not end in time, and was ended.
        SessionLostError: it failed because the exporter is gone.
        UsageError: it does not know the command.
    """
    limit = device.timeout_seconds if timeout is None else seconds(timeout)
    words = [*(node.labels.get(NAME_LABEL, node.name) for node in device.tree.way_to(driver.node)[1:]), *arguments]
    shown = device.connection.redact(" ".join(["j", *words]))
    act = Act(device.name, driver.path, shown)
    what = f"'{shown}' on device '{device.name}'"
    device.connection.check_usable(act)
    environment = os.environ | host_environment(device, AllowList.from_environment(allow), driver, what)
    for name in _OURS:
        if name not in environment or environment[name] == "":
            environment.pop(name, None)
    begin, status = time.monotonic(), "interrupted"
    try:
        outcome = run(
            [*_program(what, [node.type_tag for node in device.tree.way_to(driver.node)]), *words],
            environment=environment,
            timeout=limit,
            input=input,
        )
        status = "ok"
        if expected_rc is not None and outcome.rc != expected_rc:
            status = "DriverError"
            raise _failed(device, what, outcome, expected_rc)
        return outcome
    except CommandTimeout as error:
        status = "DriverTimeoutError"
        text = _last(device, error.outcome)
        raise DriverTimeoutError(f"{what} did not end within {in_words(limit)} and was ended.{text}") from None
    finally:
        took = time.monotonic() - begin
        device.journal.append(CallEnded(driver=driver.path, method=shown, arguments="", seconds=took, outcome=status))


def host_environment(device: Device, allow: AllowList, driver: DriverClient, what: str) -> dict[str, str]:
    """What a tool of upstream's needs in its environment to reach the session, as `jmp shell` sets it; empty values are unset.

    Raises:
        ConfigurationError: upstream's tools cannot reach it, or may not import the classes that they need.
    """
    refused = [node.type_tag for node in device.tree.way_to(driver.node) if not allow.permits(node.type_tag)]
    if refused:
        raise refusal(what, refused)
    arguments, address = device.channel_arguments, device.connection.address
    assert arguments is not None, "devices are opened by open_device"
    passphrase = next(iter(dict(device.connection.metadata or ()).values()), "")
    environment = dict.fromkeys(_OURS, "") | {
        "JUMPSTARTER_HOST": str(address),
        "JMP_DRIVERS_ALLOW": str(allow),
        "JMP_GRPC_PASSPHRASE": passphrase,
        "_JMP_SUPPRESS_DRIVER_WARNINGS": "1",
        "TERM": "dumb",  # no progress bars between the words
    }
    trouble = ""
    if address.is_unix and passphrase:
        trouble = "it sends no passphrase to a Unix socket. Open the session by the exporter's host:port"
    elif address.is_unix and re.search(r":\d+$", str(address)):
        trouble = "it takes a socket path that ends in ':' and digits for host:port. Use another path"
    elif arguments.security is Security.UNVERIFIED_TLS:
        trouble = "it always verifies certificates. Open the session with ca= instead of security=unverified_tls"
    if trouble:
        raise ConfigurationError(f"{what} is not possible: upstream's 'j' cannot reach the exporter, because {trouble}.")
    if not address.is_unix and arguments.security is Security.PLAINTEXT:
        environment["JMP_GRPC_INSECURE"] = "1"
    if arguments.ca is not None:
        environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(arguments.ca.absolute())
    return environment


def _program(what: str, class_paths: Sequence[str]) -> list[str]:
    if importlib.util.find_spec("jumpstarter_cli") is None:
        raise ConfigurationError(f"{what} needs upstream's command 'j', which is not installed: pip install '{EXTRA}'")
    for path in class_paths:
        module = path.partition(".")[0]
        if module and importlib.util.find_spec(module) is None:  # 'j' would end with a failure like any other
            raise ConfigurationError(f"{what} needs '{path}', which is not installed. Install it: {package_of(path)}")
    return [sys.executable, "-P", "-c", _J]


def _failed(device: Device, what: str, outcome: CommandOutcome, expected: int) -> JumpstarterError:
    text = _last(device, outcome)
    if not device.connection.alive():
        lost = SessionLostError(f"{what} failed, and the connection to the exporter is lost. Open a new session.{text}")
        device.connection.lose(lost)
        return lost
    # click's own words for commands and options that it does not know
    kind = UsageError if re.search(r"^Usage: ", outcome.stderr, re.MULTILINE) else DriverError
    return kind(f"{what} ended with exit status {outcome.rc}, not {expected}.{text}")


def _last(device: Device, outcome: CommandOutcome) -> str:
    text = device.connection.redact((outcome.stderr.strip() + "\n" + outcome.stdout.strip()).strip())
    return f" Its last words:\n{shorten(text[-SHOWN:])}" if text else " It wrote nothing."
