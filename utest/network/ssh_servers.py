"""SSH servers of the tests: Debian's `sshd` for keys, commands and files, and one of paramiko's for passwords."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from helpers.exporters import free_port
from helpers.programs import needs
from helpers.results import eventually

USER = getpass.getuser()


@dataclass
class SSHD:
    """A running `sshd`."""

    port: int
    folder: Path

    @property
    def identity(self) -> Path:
        """The private key that may log in."""
        return self.folder / "identity"

    @property
    def host_key(self) -> str:
        """Its public key."""
        return (self.folder / "host.pub").read_text().strip()


def make_key(path: Path, passphrase: str = "") -> Path:
    """Makes a key pair."""
    needs("openssh-client", "ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", str(path)], check=True)
    return path


@contextmanager
def serve_sshd(folder: Path, sftp: str = "internal-sftp") -> Iterator[SSHD]:
    """Runs `sshd` for this user, with keys and a configuration of its own.

    Args:
        folder: for its files.
        sftp: its SFTP server.
    """
    sshd = needs("openssh-server", "sshd")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    make_key(folder / "host")
    keys = [make_key(folder / "identity"), make_key(folder / "locked", "open sesame")]
    (folder / "authorized").write_text("".join(key.with_suffix(".pub").read_text() for key in keys))
    port = free_port()
    (folder / "sshd_config").write_text(
        "\n".join(
            [
                f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized",
                "PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no",
                "KbdInteractiveAuthentication no\nMaxStartups 100",
                f"Subsystem sftp {sftp}\n",
            ]
        )
    )
    log = folder / "log"
    # Not by helpers.processes: it writes its title over its environment, so the mark in it is lost.
    with log.open("w") as file:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=file)
    try:
        assert eventually(lambda: "Server listening" in log.read_text() or process.poll() is not None, 10)
        assert process.poll() is None, log.read_text()
        yield SSHD(port, folder)
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class PasswordServer:
    """A server that takes one password, and whose only command is to tell who logged in how."""

    port: int
    password: str
    tried: list[str] = field(default_factory=list)
    """The ways that were tried."""


@contextmanager
def serve_password(password: str, *ways: str) -> Iterator[PasswordServer]:
    """Runs a server that takes a password.

    Args:
        password: which.
        ways: of `password` and `keyboard-interactive`.
    """
    import paramiko

    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))
    served = PasswordServer(listener.getsockname()[1], password)
    transports: list[paramiko.Transport] = []

    class Server(paramiko.ServerInterface):
        def get_allowed_auths(self, username: str) -> str:
            return ",".join(ways)

        def check_auth_password(self, username: str, given: str) -> int:
            served.tried.append("password")
            return self._result(given)

        def check_auth_interactive(self, username: str, submethods: str) -> object:
            served.tried.append("keyboard-interactive")
            query = paramiko.InteractiveQuery("", "")
            query.add_prompt("Password: ", echo=False)
            return query

        def check_auth_interactive_response(self, responses: list[str]) -> int:
            return self._result(responses[0])

        def _result(self, given: str) -> int:
            return paramiko.AUTH_SUCCESSFUL if given == password else paramiko.AUTH_FAILED

        def check_channel_request(self, kind: str, number: int) -> int:
            return paramiko.OPEN_SUCCEEDED

        def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
            channel.send(b"welcome\r\n$ ")
            return True

        def check_channel_pty_request(self, *_: object) -> bool:
            return True

        def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
            def run() -> None:
                done = subprocess.run(["sh", "-c", shlex.join(["eval", command.decode()])], capture_output=True, check=False)
                channel.sendall(done.stdout)
                channel.sendall_stderr(done.stderr)
                channel.send_exit_status(done.returncode)
                channel.close()

            threading.Thread(target=run, daemon=True).start()
            return True

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                transport = paramiko.Transport(connection)
                transports.append(transport)
                transport.add_server_key(key)
                with suppress(paramiko.SSHException, EOFError, OSError):
                    transport.start_server(event=threading.Event(), server=Server())

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join(5)
        assert eventually(lambda: not any(transport.is_alive() for transport in transports))
