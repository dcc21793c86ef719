"""Everything upstream has: its own clients, its command line, and the address for any other tool."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from robot.api import logger
from robot.api.types import Secret

from ..client.driver_command import run_driver_command
from ..client.processes import CommandOutcome
from ..client.upstream import upstream_clients
from .base import KeywordGroup, Tag, keyword


class UpstreamKeywords(KeywordGroup):
    """Keywords that use upstream's own packages, where they are installed."""

    @keyword(tags=[Tag.DRIVER, Tag.GETTER])
    def get_driver_client(
        self, driver: str | None = None, *, allow: str | list[str] | None = None, timeout: timedelta | None = None
    ) -> Any:
        """Returns upstream's own client object of a driver, for what no keyword of this library does.

        The exporter names the class, and importing it runs code: so it has to be allowed, by `allow` or by the environment
        variable `JMP_DRIVERS_ALLOW`. Needs the extra `drivers`, and the package of the driver.

        Args:
            driver: Path of the driver; the default driver unless given, else the root.
            allow: Patterns for classes that may be imported, as a list or separated by commas: `jumpstarter_driver_power.*`. What
                they allow stays allowed for this driver, and those below it, in this session. `UNSAFE` allows everything.
            timeout: How long making it may take; the library's timeout unless given.

        Returns:
            The object; it can be used until the session is closed. Its methods have no deadline: [Call Driver Client Method] has.

        Raises:
            CONFIGURATION: the class is not allowed, or not installed; the message says what to do.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${client} =    Get Driver Client    power    allow=jumpstarter_driver_power.*
            Call Method    ${client}    on
        ```
        """
        return upstream_clients(self.device).client(self.any_driver(driver), _patterns(allow), timeout=timeout)

    @keyword(tags=[Tag.DRIVER])
    def call_driver_client_method(self, driver: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Calls a method of upstream's own client of a driver, and ends it when the library's timeout is over.

        The class has to be allowed before, by [Get Driver Client] or by `JMP_DRIVERS_ALLOW`. Arguments are passed as Robot
        gives them: `5` is text, and `${5}` is a number. All named arguments go to the method.

        Args:
            driver: Path of the driver; the empty text is the root.
            method: Name of a method of the class, or of a property.
            arguments: Positional arguments of the method.
            named: Named arguments of the method.

        Returns:
            What the method returned; the values of a generator as a list.

        Raises:
            CONFIGURATION: the class is not allowed, or not installed; the message says what to do.
            TEST: it has no such method, or takes other arguments.
            DEVICE: the driver raised an error, or the method did not return in time.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Get Driver Client    power    allow=jumpstarter_driver_power.*
            Call Driver Client Method    power    cycle    wait=${0.1}
        ```
        """
        revealed = [self._revealed(argument) for argument in arguments]
        by_name = {name: self._revealed(value) for name, value in named.items()}
        return upstream_clients(self.device).call(self.any_driver(driver), method, revealed, by_name)

    @keyword(tags=[Tag.DRIVER])
    def run_driver_command(
        self,
        *arguments: str,
        driver: str | None = None,
        allow: str | list[str] | None = None,
        input: str | Secret | None = None,  # noqa: A002 - what it is for the command
        expected_rc: int | None = 0,
        timeout: timedelta | None = None,
    ) -> CommandOutcome:
        """Runs upstream's command line of a driver, `j`, against the current session, and waits for its end.

        `Run Driver Command    on    driver=power` is what `j power on` is in a `jmp shell`. The classes on the way to the driver
        have to be allowed, as for [Get Driver Client]. Needs the extra `drivers`.

        Args:
            arguments: What follows the driver's path. Everybody on this machine can read them: secrets do not belong here.
            driver: Path of the driver; the default driver unless given, else the root.
            allow: Patterns for classes that may be imported, as a list or separated by commas.
            input: What the command reads; nothing unless given.
            expected_rc: Fails if the exit status is another one; `${None}` takes any.
            timeout: How long it may take; then it is ended. The library's timeout unless given.

        Returns:
            The outcome with `stdout`, `stderr`, `rc` and `duration` in seconds; as text it is `stdout`.

        Raises:
            CONFIGURATION: `j` is not installed, or may not import the classes; the message says what to do.
            TEST: there is no such command.
            DEVICE: another exit status, or it did not end in time.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${outcome} =    Run Driver Command    on    driver=power    allow=jumpstarter_driver_*
            Should Be Equal    ${outcome.rc}    ${0}
        ```
        """
        outcome = run_driver_command(
            self.device,
            self.any_driver(driver),
            arguments,
            allow=_patterns(allow),
            timeout=timeout,
            input=self.reveal(input),
            expected_rc=expected_rc,
        )
        for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
            if text.strip():
                logger.info(f"{name}:\n{text.rstrip()}")
        return outcome

    @keyword(tags=[Tag.SESSION, Tag.GETTER])
    def get_jumpstarter_host(self) -> str:
        """Returns the address of the current session, as other tools take it in `JUMPSTARTER_HOST`.

        The path of a Unix socket, or `host:port`. Who wants to use it needs two more things where the session has them: the
        passphrase in `JMP_GRPC_PASSPHRASE`, and `JMP_GRPC_INSECURE=1` for `host:port` without TLS. Neither is part of the
        address. Whoever can open the address can use the device.

        Returns:
            The address; it holds until the session is closed.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${host} =    Get Jumpstarter Host
            Should End With    ${host}    socket
        ```
        """
        return str(self.device.connection.address)

    def _revealed(self, value: object) -> object:
        """Upstream's code takes no secrets of Robot's: it gets the text, which is masked wherever it turns up."""
        if isinstance(value, Secret):
            return self.reveal(value)
        if isinstance(value, Mapping):
            return {key: self._revealed(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._revealed(item) for item in value]
        return value


def _patterns(allow: str | list[str] | None) -> list[str]:
    return allow.split(",") if isinstance(allow, str) else list(allow or ())
