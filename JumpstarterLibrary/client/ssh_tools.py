"""Command lines of OpenSSH's clients, and the private files that they need for one act."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigurationError, UsageError

HOST_ALIAS = "device"
"""The name under which the device's host key is looked up: host and port are others each time."""
PROMPTS = 16
"""How often a password can be asked for in one act, by several ways of logging in."""
LONGEST_PASSWORD = 1024
SCP_WAYS = (("-s",), ("-O", "-T"), ("-T",))
"""Options of `scp` for the device's SFTP server, and for a `scp` on the device where there is none; before OpenSSH 8.6 this
needed no option. With `-T` it does not take a path that is quoted for the device's shell for another file."""

# Reads one line, byte by byte, and prints it; `read` and `printf` are built in, so the password is in no argument list.
_ASKPASS = '#!/bin/sh\nIFS= read -r answer <"${0%/*}/answers" && printf \'%s\\n\' "$answer"\n'


@dataclass(frozen=True)
class SSHLogin:
    """Who logs in, and how."""

    user: str
    password: str | None = field(default=None, repr=False)
    """Also the passphrase of an encrypted identity."""
    identity: str | None = field(default=None, repr=False)
    """The private key as text; what the user's agent and `~/.ssh` offer is tried if there is neither this nor a password."""
    host_key: str | None = None
    """The device's public key, such as `ssh-ed25519 AAAA…`; whatever the device shows is taken unless given."""
    options: Sequence[str] = ()
    """Further arguments for `ssh` and `scp`, before all others."""


@dataclass(frozen=True)
class SSHAccess:
    """A login that is prepared: what to put into command lines and into the environment."""

    host: str
    options: list[str]
    environment: dict[str, str]
    log: Path
    """Where `ssh` writes what it has to say itself, apart from what the device says."""

    def ssh(self, command: str) -> list[str]:
        """The command line for a command on the device."""
        return ["ssh", *self.options, "-T", "-x", "-a", "-E", str(self.log), "--", self.host, command]

    def scp(self, way: Sequence[str], source: str, target: str) -> list[str]:
        """The command line for copying a file; the one that is on the device begins with `remote`.

        Args:
            way: one of `SCP_WAYS`.
            source: path of the file.
            target: path of the copy.
        """
        return ["scp", *way, "-q", *self.options, "--", source, target]

    def remote(self, path: str) -> str:
        """A path on the device, for `scp`."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{path}"

    def complaints(self) -> str:
        """What `ssh` itself had to say."""
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace").strip()
        return ""


@contextlib.contextmanager
def prepared(login: SSHLogin, host: str, port: int, timeout: float) -> Iterator[SSHAccess]:
    """Makes the private files for a login, in a folder that only this user can look into, and removes them in any case.

    Args:
        login: who.
        host: where to connect.
        port: where to connect.
        timeout: seconds that connecting may take.

    Raises:
        UsageError: the password cannot be given to `ssh`.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jumpstarter-ssh-", ignore_cleanup_errors=True)))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SSH_ASKPASS")}
        if login.password is not None:
            environment |= _askpass(login.password, folder, stack)
        options = [*login.options, *_options(login, folder)]
        options += ["-o", f"User={login.user}", "-o", f"Port={port}", "-o", f"ConnectTimeout={max(1, math.ceil(timeout))}"]
        yield SSHAccess(host, options, environment, folder / "log")


@contextlib.contextmanager
def identity_file(identity: str) -> Iterator[Path]:
    """Writes a private key into a file that only this user can read; removes it in any case."""
    with tempfile.TemporaryDirectory(prefix="jumpstarter-ssh-", ignore_cleanup_errors=True) as folder:
        yield _write_identity(identity, Path(folder))


def read_identity(identity: str) -> str:
    """Returns the private key that was given as text or as the path of a file.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
    """
    if "-----BEGIN" in identity:
        return identity
    try:
        return Path(identity).expanduser().read_text()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no private key"
        # What was given may be a key that was pasted badly, so it is not shown.
        raise ConfigurationError(
            f"The identity for SSH cannot be read: {reason}. Give the path of a private key, or its text (-----BEGIN …)."
        ) from None


def _options(login: SSHLogin, folder: Path) -> list[str]:
    # The user's own configuration is not read: the same suite has to do the same everywhere.
    settings = {
        "LogLevel": "ERROR",
        "ClearAllForwardings": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes" if login.password is None else "no",
        "HostKeyAlias": HOST_ALIAS,
        "GlobalKnownHostsFile": "/dev/null",
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
    }
    if login.host_key is not None:
        known = folder / "known_hosts"
        known.write_text(f"{HOST_ALIAS} {' '.join(login.host_key.split()[:2])}\n")
        settings |= {"UserKnownHostsFile": str(known), "StrictHostKeyChecking": "yes"}
    ways = ["publickey"] if login.identity or login.password is None else []
    if login.password is not None:
        settings["NumberOfPasswordPrompts"] = "1"
        ways += ["password", "keyboard-interactive"]
    settings["PreferredAuthentications"] = ",".join(ways)
    options = ["-F", "none"]
    if login.identity:
        options += ["-i", str(_write_identity(login.identity, folder))]
        settings |= {"IdentitiesOnly": "yes", "IdentityAgent": "none"}
    for name, value in settings.items():
        options += ["-o", f"{name}={value}"]
    return options


def _write_identity(identity: str, folder: Path) -> Path:
    path = folder / "identity"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        # OpenSSH takes no key whose last line does not end, nor one with the line ends of Windows.
        file.write("\n".join(identity.strip().splitlines()) + "\n")
    return path


def _askpass(password: str, folder: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    """Prepares the helper that tells `ssh` the password, which is in a pipe and never in a file."""
    line = f"{password}\n".encode()
    if "\n" in password or "\0" in password or len(line) > LONGEST_PASSWORD:
        raise UsageError("This password cannot be given to ssh: it has several lines, or is too long.")
    helper, answers = folder / "askpass", folder / "answers"
    helper.write_text(_ASKPASS)
    helper.chmod(0o700)
    os.mkfifo(answers, 0o600)
    # For reading too: so it is open before anybody reads, and what is in it stays while we hold it.
    pipe = os.open(answers, os.O_RDWR | os.O_NONBLOCK)
    stack.callback(os.close, pipe)
    os.write(pipe, line * PROMPTS)
    return {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": os.environ.get("DISPLAY", ":0")}
