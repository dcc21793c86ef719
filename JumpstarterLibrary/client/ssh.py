"""SSH to the device (drivers.md §2.5): OpenSSH's own client, through a forwarded port or directly."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import (
    ConfigurationError,
    DriverError,
    DriverMethodNotFoundError,
    DriverTimeoutError,
    JumpstarterError,
    RemoteFileNotFoundError,
    TransferMismatchError,
    UsageError,
)
from ..wire.deadline import Deadline, Timeout, in_words
from . import processes
from .driver import DriverClient
from .failures import Act, shorten
from .forward import Forwarding, forward_port
from .network import NetworkClient
from .processes import CommandOutcome, CommandTimeout
from .ssh_tools import SCP_WAYS, SSHAccess, SSHLogin, prepared

if TYPE_CHECKING:
    from .device import Device

OWN_FAILURE = 255
"""The exit status of `ssh` when it failed itself; a command on the device may end with it as well."""
NO_FILE = 44
"""An exit status of our own commands on the device."""
FORGET_BUDGET = 0.8
"""Seconds for removing a part of a file from the device, after copying it failed."""
WRONG_WAY = ("subsystem request failed", "Connection closed", "unknown option", "illegal option", "usage: scp")
"""What `scp` says if there is no SFTP server on the device, or if it is too old for an option."""
SHOWN = 2000
"""Characters of output in the message of an error."""


class SSHClient(DriverClient):
    """Runs commands on the device and copies files, over the network that is the driver's child `tcp`, or the driver itself."""

    family = "ssh"
    tags = frozenset({"jumpstarter_driver_ssh.client.SSHWrapperClient"})

    @property
    def network(self) -> DriverClient:
        """The driver whose byte stream leads to the device's SSH server."""
        return self.children.get("tcp", self)

    def default_user(self, deadline: Deadline | None = None) -> str:
        """Returns who logs in unless somebody else is named; empty if the driver does not say."""
        return str(self._setting("get_default_username", deadline) or "")

    def identity(self, deadline: Deadline | None = None) -> str | None:
        """Returns the private key that the exporter has for the device, if it has one."""
        key = self._setting("get_ssh_identity", deadline, secret=True)
        self.device.connection.redact.add(str(key) if key else None)
        return str(key) if key else None

    def login(
        self,
        user: str | None = None,
        password: str | None = None,
        identity: str | None = None,
        host_key: str | None = None,
        options: list[str] | None = None,
        *,
        deadline: Deadline | None = None,
    ) -> SSHLogin:
        """Completes who logs in by what the driver knows.

        Args:
            user: who; the driver's default unless given.
            password: nothing of it reaches a log, an argument list or a file.
            identity: private key as text; the driver's unless this or a password is given.
            host_key: the device's public key; not checked unless given.
            options: further arguments for `ssh` and `scp`.
            deadline: of the whole act, of which asking the driver is a part; see `deadline`.

        Raises:
            UsageError: nobody says who.
        """
        redact = self.device.connection.redact
        redact.add(password)
        redact.add(identity)
        user = user or self.default_user(deadline)
        if not user:
            raise UsageError(f"SSH to {self._place} needs a user: the driver has no default. Give user=.")
        if identity is None and password is None:
            identity = self.identity(deadline)
        return SSHLogin(user, password, identity, host_key, tuple(options or ()))

    def execute(
        self,
        command: str,
        login: SSHLogin,
        *,
        timeout: Timeout | Deadline | None = None,
        input: str | None = None,  # noqa: A002 - what it is called everywhere
        keep_input_open: bool = False,
        direct: bool = False,
    ) -> CommandOutcome:
        """Runs a command on the device.

        Args:
            command: for the device's shell. Everybody on this machine can read it: secrets belong into `input`.
            login: who; see `login`.
            timeout: for all of it; the device's unless given.
            input: what the command reads from its standard input; nothing unless given.
            keep_input_open: leaves its standard input open, which some SSH proxies need to give back any output.
            direct: connects to the network's address, and not through the exporter.

        Raises:
            DriverTimeoutError: it did not end in time.
            DriverError: the device cannot be reached, or refused the login.
            ConfigurationError: there is no `ssh` on this machine.
        """
        deadline = self._deadline(timeout)
        with self._access(login, deadline, direct=direct) as (access, forwarding):
            outcome = self._run(
                access.ssh(command), access, deadline, shown=command, input=input, keep_input_open=keep_input_open
            )
            complaints = access.complaints()
            if outcome.rc == OWN_FAILURE and complaints:
                raise self._refused(complaints, login, forwarding)
            return outcome

    def put(
        self, source: Path, target: str, login: SSHLogin, *, timeout: Timeout | Deadline | None = None, direct: bool = False
    ) -> tuple[str, int]:
        """Copies a file to the device. It gets its name there when all of it has arrived.

        Args:
            source: file on this machine.
            target: path on the device, from the user's home unless absolute; with a slash at its end it is a folder.
            login: who; see `login`.
            timeout: for all of it; the device's unless given.
            direct: as for `execute`.

        Returns:
            The path on the device, and the size in bytes.

        Raises:
            ConfigurationError: the file cannot be read.
            TransferMismatchError: something else arrived.
            DriverError: the device refused.
        """
        if not source.is_file() or not os.access(source, os.R_OK):
            raise ConfigurationError(f"Cannot copy '{source}' to {self._place}: there is no such file, or it cannot be read.")
        deadline, size = self._deadline(timeout), source.stat().st_size
        target = f"{target}{source.name}" if target.endswith("/") else target
        part = _beside(target)
        what = f"Copying '{source}' to '{target}' on {self._place}"
        with self._access(login, deadline, direct=direct) as (access, forwarding):
            try:
                self._copy(access, deadline, what, login, forwarding, source=str(source.absolute()), target=part, upload=True)
                path, place = shlex.quote(part), shlex.quote(target)
                check = (
                    f"if [ -d {place} ]; then echo 'it is a folder' >&2; exit 1; fi; n=$(wc -c <{path}) || exit 1; "
                    f"[ $n -eq {size} ] || {{ echo $n; exit {NO_FILE}; }}; mv -f -- {path} {place}"
                )
                moved = self._run(access.ssh(check), access, deadline, shown=f"check and move {part}")
            except JumpstarterError:  # an interrupt leaves it there, as it has to end at once
                self._forget(access, part)
                raise
            if moved.rc:
                self._forget(access, part)
            if moved.rc == NO_FILE:
                raise TransferMismatchError(f"{what} failed: {moved.stdout.strip()} of {size} bytes arrived.")
            if moved.rc:
                raise DriverError(f"{what} failed: {_said(moved, access)}")
        return target, size

    def get(
        self, source: str, target: Path, login: SSHLogin, *, timeout: Timeout | Deadline | None = None, direct: bool = False
    ) -> tuple[Path, int]:
        """Copies a file from the device. It gets its name here when all of it has arrived.

        Args:
            source: path on the device, from the user's home unless absolute.
            target: path on this machine, or a folder.
            login: who; see `login`.
            timeout: for all of it; the device's unless given.
            direct: as for `execute`.

        Returns:
            The path on this machine, and the size in bytes.

        Raises:
            RemoteFileNotFoundError: the device has no such file.
            TransferMismatchError: something else arrived.
            DriverError: the device refused.
        """
        deadline = self._deadline(timeout)
        target = target / PurePosixPath(source).name if target.is_dir() else target
        part = target.with_name(f".{target.name}.part-{os.urandom(4).hex()}").absolute()
        what = f"Copying '{source}' from {self._place} to '{target}'"
        if not target.absolute().parent.is_dir():
            raise ConfigurationError(f"{what} is not possible: there is no folder '{target.parent}'.")
        try:
            with self._access(login, deadline, direct=direct) as (access, forwarding):
                path = shlex.quote(source)
                ask = self._run(
                    access.ssh(f"[ -f {path} ] || exit {NO_FILE}; wc -c <{path}"), access, deadline, shown=f"size of {source}"
                )
                if ask.rc == OWN_FAILURE and access.complaints():
                    raise self._refused(access.complaints(), login, forwarding)
                if ask.rc == NO_FILE:
                    raise RemoteFileNotFoundError(f"{what} failed: the device has no such file.")
                if ask.rc or not ask.stdout.strip().isdigit():
                    raise DriverError(f"{what} failed: {_said(ask, access)}")
                self._copy(access, deadline, what, login, forwarding, source=source, target=str(part), upload=False)
            size, wanted = part.stat().st_size, int(ask.stdout)
            if size != wanted:
                raise TransferMismatchError(f"{what} failed: {size} of {wanted} bytes arrived.")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target, size

    def forward(self, host: str = "127.0.0.1", port: int = 0) -> Forwarding:
        """Has a port of this machine lead to the device's SSH server, for other clients."""
        return forward_port(self.network, host, port)

    # ---------------------------------------------------------------- internals

    @property
    def _place(self) -> str:
        return Act(self.device.name, self.path, "ssh").place

    def _deadline(self, timeout: Timeout | Deadline | None) -> Deadline:
        return timeout if isinstance(timeout, Deadline) else self.deadline(timeout)

    def deadline(self, timeout: Timeout | None) -> Deadline:
        """Returns one deadline for completing a login and what is done with it; the device's timeout unless one is given."""
        return Deadline(self.device.timeout_seconds if timeout is None else timeout)

    def _setting(self, method: str, deadline: Deadline | None, *, secret: bool = False) -> object:
        limit = self.device.timeout_seconds
        limit = limit if deadline is None else min(limit, deadline.remaining)
        act = Act(self.device.name, self.path, method)
        try:
            return self.device.connection.call(act, self.node.uuid, (), limit, secret_result=secret)
        except DriverMethodNotFoundError:  # a network alone knows nothing about users
            return None

    @contextlib.contextmanager
    def _access(self, login: SSHLogin, deadline: Deadline, *, direct: bool) -> Iterator[tuple[SSHAccess, Forwarding | None]]:
        with contextlib.ExitStack() as stack:
            forwarding = None
            if direct:
                address = urlsplit(NetworkClient(self.device, self.network.node).address())
                host, port = address.hostname or "", address.port or 22
            else:
                forwarding = self.forward()
                # SSH answers everything itself, so nothing that matters can still be on its way.
                stack.callback(forwarding.close, at_once=True)
                host, port = forwarding.host, forwarding.port
            yield stack.enter_context(prepared(login, host, port, deadline.remaining)), forwarding

    def _run(
        self,
        command: list[str],
        access: SSHAccess,
        deadline: Deadline,
        *,
        shown: str,
        input: str | None = None,  # noqa: A002
        keep_input_open: bool = False,
    ) -> CommandOutcome:
        act, begin, outcome = Act(self.device.name, self.path, command[0]), time.monotonic(), "interrupted"
        access.log.unlink(missing_ok=True)
        detail = ""
        try:
            result = processes.run(
                command,
                timeout=deadline.remaining,
                environment=access.environment,
                input=input,
                keep_input_open=keep_input_open,
            )
            outcome, detail = "ok", f"exit status {result.rc}"
            return result
        except CommandTimeout as error:
            outcome = DriverTimeoutError.__name__
            said = shorten((error.outcome.stdout + error.outcome.stderr + access.complaints()).strip()[-SHOWN:])
            raise DriverTimeoutError(
                f"'{shown}' over SSH on {self._place} did not end within {in_words(deadline.total)}."
                + (f" It had written:\n{said}" if said else " It had written nothing.")
            ) from None
        except FileNotFoundError:
            outcome = ConfigurationError.__name__
            raise ConfigurationError(
                f"SSH to {self._place} needs OpenSSH's '{command[0]}' on this machine: install it (Debian: openssh-client)."
            ) from None
        finally:
            self.device.connection.write_down(act, (shown,), begin, outcome, detail, streaming=False)

    def _copy(
        self,
        access: SSHAccess,
        deadline: Deadline,
        what: str,
        login: SSHLogin,
        forwarding: Forwarding | None,
        *,
        source: str,
        target: str,
        upload: bool,
    ) -> None:
        """Copies with `scp`, in the first way that both sides know."""
        for way in SCP_WAYS:
            # Over SFTP the path of a source is a pattern and that of a target is none; a shell looks at both otherwise.
            if way == SCP_WAYS[0]:
                there = target if upload else _no_pattern(source)
            else:
                there = shlex.quote(target if upload else source)
            pair = (source, access.remote(there)) if upload else (access.remote(there), target)
            done = self._run(access.scp(way, *pair), access, deadline, shown=f"{source} {target}")
            if done.rc == 0:
                return
            if not any(sign in done.stderr for sign in WRONG_WAY):
                break
        if done.rc == OWN_FAILURE and not upload:
            raise self._refused(done.stderr.strip(), login, forwarding)
        if forwarding is not None and forwarding.failures:
            raise DriverError(f"{what} failed: {forwarding.failures[-1]}")
        raise DriverError(f"{what} failed: {_said(done, access)}")

    def _forget(self, access: SSHAccess, part: str) -> None:
        """Removes a part that was copied; a device that does not answer keeps it."""
        with contextlib.suppress(OSError, TimeoutError):
            processes.run(access.ssh(f"rm -f -- {shlex.quote(part)}"), timeout=FORGET_BUDGET, environment=access.environment)

    def _refused(self, complaints: str, login: SSHLogin, forwarding: Forwarding | None) -> DriverError:
        reason = forwarding.failures[-1] if forwarding is not None and forwarding.failures else complaints
        advice = ""
        if "denied" in complaints or "authentication" in complaints.lower():
            advice = " Are user=, password= and identity= right?"
        elif "verification failed" in complaints:
            advice = " The device shows another key than host_key=."
            reason = complaints.strip().splitlines()[-1]
        text = self.device.connection.redact(shorten(reason))
        return DriverError(f"SSH to {self._place} as '{login.user}' failed: {text.rstrip('.')}.{advice}")


def ssh_client(device: Device, path: str | None = None) -> SSHClient:
    """Returns the SSH driver of a device: the named one, which may be a mere network, else the only one.

    Raises:
        DriverNotFoundError: there is none, or there are several; the message lists them.
    """
    if path and isinstance(named := device.driver(path), NetworkClient):
        return SSHClient(device, named.node)
    return device.driver_of(SSHClient, path)


def _beside(path: str) -> str:
    place = PurePosixPath(path)
    return str(place.with_name(f".{place.name}.part-{os.urandom(4).hex()}"))


def _no_pattern(path: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\{}" else letter for letter in path)


def _said(outcome: CommandOutcome, access: SSHAccess) -> str:
    said = (outcome.stderr.strip() or access.complaints() or outcome.stdout.strip())[-SHOWN:]
    return f"{said} (exit status {outcome.rc})" if said else f"exit status {outcome.rc}, without a reason"
