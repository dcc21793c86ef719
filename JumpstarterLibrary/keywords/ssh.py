"""SSH to the device: commands, files, and SSHLibrary."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from robot.api import logger
from robot.api.types import Secret
from robot.errors import RobotError
from robot.libraries.BuiltIn import BuiltIn

from ..client.failures import Act
from ..client.forward import Forwarding
from ..client.processes import CommandOutcome
from ..client.ssh import SSHClient, ssh_client
from ..client.ssh_tools import SSHLogin, identity_file, read_identity
from ..errors import ConfigurationError, DriverError
from ..wire.deadline import Deadline
from .base import KeywordGroup, Tag, keyword
from .shell import report_outcome


class SSHKeywords(KeywordGroup):
    """Keywords for SSH drivers, and for networks that lead to an SSH server."""

    @keyword("Execute SSH Command", tags=[Tag.SSH])
    def execute_ssh_command(
        self,
        command: str,
        *,
        user: str | None = None,
        password: str | Secret | None = None,
        identity: str | Secret | None = None,
        host_key: str | None = None,
        input: str | Secret | None = None,  # noqa: A002 - the word that suites will look for
        expected_rc: int | None = None,
        options: list[str] | None = None,
        direct: bool = False,
        keep_input_open: bool = False,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> CommandOutcome:
        """Runs a command on the device over SSH, with the `ssh` of this machine.

        A command that is given up here may run on there, as always with SSH: say `timeout 10 command` to have it ended.

        Args:
            command: For the shell on the device. Other users of this machine can see it while it runs: secrets belong into
                `input`.
            user: Who logs in; the driver's default unless given.
            password: As a `Secret`, or it shows in the log as it was written. Also the passphrase of an encrypted identity.
            identity: A private key: its text, or the path of its file. The driver's unless this or a password is given.
            host_key: The device's public key, such as `ssh-ed25519 AAAA…`, if it is to be checked. Boards change their keys.
            input: What the command reads from its standard input; nothing unless given.
            expected_rc: Fails if the exit status is another one; not checked unless given.
            options: Further arguments for `ssh`. Your own configuration of it is not read.
            direct: Connects to the address that the driver tells, and not through the exporter.
            keep_input_open: Leaves the command's standard input open, without which some proxies give back no output.
            driver: Path of the SSH driver, or of a network that leads to an SSH server; see [Choosing a driver].
            timeout: How long all of it may take; the library's timeout unless given.

        Returns:
            The result, with the attributes `stdout`, `stderr`, `rc` and `duration` in seconds; as text it is `stdout`.

        Raises:
            DEVICE: the device cannot be reached, refused the login, did not end the command in time, or its exit status is not
                the expected one.
            CONFIGURATION: there is no `ssh` on this machine, or the identity cannot be read.
            TEST: nobody says who logs in.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    DEVICE:*
            ...    Execute SSH Command    uname -a    user=root    expected_rc=0    driver=network.http
        ```
        """
        client = ssh_client(self.device, driver)
        deadline = client.deadline(timeout)
        login = self._login(client, user, password, identity, host_key=host_key, options=options, deadline=deadline)
        outcome = client.execute(
            command, login, timeout=deadline, input=self.reveal(input), keep_input_open=keep_input_open, direct=direct
        )
        report_outcome(outcome, expected_rc, f"'{command}' over SSH on {Act(client.device.name, client.path, '').place}")
        return outcome

    @keyword("Put File Over SSH", tags=[Tag.SSH])
    def put_file_over_ssh(
        self,
        source: Path,
        destination: str,
        *,
        user: str | None = None,
        password: str | Secret | None = None,
        identity: str | Secret | None = None,
        host_key: str | None = None,
        options: list[str] | None = None,
        direct: bool = False,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> str:
        """Copies a file to the device over SSH, and compares the sizes.

        The file gets its name on the device when all of it is there.

        Args:
            source: File on this machine.
            destination: Path on the device, from the user's home unless absolute; with a slash at its end it is a folder.
            user: As for [Execute SSH Command], like all that follow.
            password: As a `Secret`.
            identity: Text or path of a private key.
            host_key: The device's public key, if it is to be checked.
            options: Further arguments for `ssh` and `scp`.
            direct: Whether to connect without the exporter.
            driver: Path of the SSH driver, or of a network.
            timeout: How long all of it may take; the library's timeout unless given.

        Returns:
            The path on the device.

        Raises:
            DEVICE: the device refused, did not take it in time, or has something else now.
            CONFIGURATION: the file cannot be read.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    CONFIGURATION:*there is no such file*
            ...    Put File Over SSH    ${TEMPDIR}/no-such-file    /tmp/    user=root    driver=network.http
        ```
        """
        client = ssh_client(self.device, driver)
        deadline = client.deadline(timeout)
        login = self._login(client, user, password, identity, host_key=host_key, options=options, deadline=deadline)
        path, size = client.put(source, destination, login, timeout=deadline, direct=direct)
        logger.info(f"{source} → {path} on the device, {size} bytes")
        return path

    @keyword("Get File Over SSH", tags=[Tag.SSH, Tag.GETTER])
    def get_file_over_ssh(
        self,
        source: str,
        destination: Path,
        *,
        user: str | None = None,
        password: str | Secret | None = None,
        identity: str | Secret | None = None,
        host_key: str | None = None,
        options: list[str] | None = None,
        direct: bool = False,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> Path:
        """Copies a file from the device over SSH, and compares the sizes.

        The file gets its name on this machine when all of it is there.

        Args:
            source: Path on the device, from the user's home unless absolute.
            destination: Path on this machine, or a folder.
            user: As for [Execute SSH Command], like all that follow.
            password: As a `Secret`.
            identity: Text or path of a private key.
            host_key: The device's public key, if it is to be checked.
            options: Further arguments for `ssh` and `scp`.
            direct: Whether to connect without the exporter.
            driver: Path of the SSH driver, or of a network.
            timeout: How long all of it may take; the library's timeout unless given.

        Returns:
            The path on this machine.

        Raises:
            DEVICE: the device has no such file, refused, did not give it in time, or gave something else.
            CONFIGURATION: there is no folder for it on this machine.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    DEVICE:*
            ...    Get File Over SSH    /etc/os-release    ${TEMPDIR}    user=root    driver=network.http
        ```
        """
        client = ssh_client(self.device, driver)
        deadline = client.deadline(timeout)
        login = self._login(client, user, password, identity, host_key=host_key, options=options, deadline=deadline)
        path, size = client.get(source, destination, login, timeout=deadline, direct=direct)
        logger.info(f"{source} on the device → {path}, {size} bytes")
        return path

    @keyword("Open SSH Connection", tags=[Tag.SSH])
    def open_ssh_connection(
        self,
        *,
        alias: str | None = None,
        user: str | None = None,
        password: str | Secret | None = None,
        identity: str | Secret | None = None,
        library: str = "SSHLibrary",
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> Forwarding:
        """Forwards a port to the device's SSH server and logs [SSHLibrary](https://github.com/MarketSquare/SSHLibrary) in there.

        SSHLibrary has to be imported in the suite. Its keywords then act on the device, until its own `Close Connection`. The
        forwarded port stays until [Stop Forwarding] or the end of the session.

        Args:
            alias: What SSHLibrary calls the connection.
            user: Who logs in; the driver's default unless given.
            password: As a `Secret`. Also the passphrase of an encrypted identity.
            identity: A private key: its text, or the path of its file. The driver's unless this or a password is given.
            library: The name under which the suite imports SSHLibrary.
            driver: Path of the SSH driver, or of a network that leads to an SSH server; see [Choosing a driver].
            timeout: SSHLibrary's timeout for this connection; the library's timeout unless given.

        Returns:
            The forwarding, with the attributes `host`, `port` and `address`.

        Raises:
            DEVICE: the device cannot be reached, or refused the login.
            CONFIGURATION: the suite does not import SSHLibrary; the message says how to.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    CONFIGURATION:*Library*SSHLibrary*
            ...    Open SSH Connection    user=root    driver=network.http
        ```
        """
        ssh = _ssh_library(library)
        client = ssh_client(self.device, driver)
        login = self._login(client, user, password, identity)
        limit = self.library.settings.timeout if timeout is None else timeout
        with ExitStack() as undo:
            forwarding = client.forward()
            undo.callback(forwarding.close)
            ssh.open_connection(forwarding.host, alias=alias, port=forwarding.port, timeout=limit.total_seconds())
            undo.callback(ssh.close_connection)
            try:
                _log_in(ssh, login)
            except RobotError:  # a timeout
                raise
            except Exception as error:  # noqa: BLE001 - SSHLibrary's own, paramiko's, and those of sockets
                reason = forwarding.failures[-1] if forwarding.failures else str(error)
                place = Act(client.device.name, client.path, "").place
                raise DriverError(f"SSHLibrary could not log in to {place} as '{login.user}': {reason}") from None
            undo.pop_all()
        logger.info(f"SSHLibrary is logged in as {login.user} through {forwarding.address}")
        return forwarding

    def _login(
        self,
        client: SSHClient,
        user: str | None,
        password: str | Secret | None,
        identity: str | Secret | None,
        *,
        host_key: str | None = None,
        options: list[str] | None = None,
        deadline: Deadline | None = None,
    ) -> SSHLogin:
        key = identity.value if isinstance(identity, Secret) else identity
        text = None if key is None else self.reveal(read_identity(key))
        return client.login(user, self.reveal(password), text, host_key, options, deadline=deadline)


def _ssh_library(name: str) -> Any:
    try:
        return BuiltIn().get_library_instance(name)
    except RuntimeError:
        raise ConfigurationError(
            "Open SSH Connection needs SSHLibrary: install it (pip install robotframework-sshlibrary) and import it in the "
            f"suite (Library    {name}), or use Execute SSH Command, which needs neither."
        ) from None


def _log_in(ssh: Any, login: SSHLogin) -> None:
    if login.identity:
        with identity_file(login.identity) as path:
            ssh.login_with_public_key(login.user, str(path), login.password or "")
    else:
        ssh.login(login.user, login.password or "")
