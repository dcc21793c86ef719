"""Commands that the exporter's configuration names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from assertionengine import AssertionOperator, verify_assertion
from robot.api import logger
from robot.api.types import Secret

from ..client.processes import CommandOutcome
from ..client.shell import ShellClient
from ..errors import DriverError
from .base import KeywordGroup, Tag, keyword


class ShellKeywords(KeywordGroup):
    """Keywords for shell drivers."""

    @keyword(tags=[Tag.SHELL, Tag.GETTER, Tag.ASSERTION])
    def get_shell_methods(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
    ) -> list[str]:
        """Returns the names of the commands that a shell driver runs.

        Args:
            assertion_operator: See [Assertions].
            assertion_expected: What the operator compares with.
            message: Says it instead of the standard message, if it fails.
            driver: Path of the shell driver; see [Choosing a driver].

        Returns:
            Names, for [Run Shell Method]. [Get Driver Tree] has what the exporter says about each of them.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    CONFIGURATION:*    Get Shell Methods
        ```
        """
        names = self.driver(ShellClient, driver).get_methods()
        verify_assertion(names, assertion_operator, assertion_expected, "Shell methods", message)
        return names

    @keyword(tags=[Tag.SHELL])
    def run_shell_method(
        self,
        method: str,
        *arguments: str | Secret,
        environment: dict[str, Any] | None = None,
        expected_rc: int | None = None,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> CommandOutcome:
        """Runs a command that the exporter's configuration names, on the exporter.

        A command that is given up here runs on there, until the time-out that the exporter's configuration sets.

        Args:
            method: Name of the command; see [Get Shell Methods].
            arguments: `$1`, `$2` … of the command, as text. Secrets show nowhere here; the exporter's machine sees them.
            environment: Variables for the command, by name. A few names are not allowed, such as `PATH`.
            expected_rc: Fails if the exit status is another one; not checked unless given.
            driver: Path of the shell driver; see [Choosing a driver].
            timeout: How long it may run; the library's timeout unless given.

        Returns:
            The result, with the attributes `stdout`, `stderr`, `rc` and `duration` in seconds; as text it is `stdout`.

        Raises:
            DEVICE: there is no such command, it did not end in time, or its exit status is not the expected one.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    CONFIGURATION:*    Run Shell Method    greet    world    expected_rc=0
        ```
        """
        client = self.driver(ShellClient, driver)
        hidden = [self.hide(argument) for argument in arguments]
        variables = {name: self.hide(value) for name, value in (environment or {}).items()}
        outcome = client.run_method(method, *hidden, environment=variables, timeout=timeout)
        report_outcome(outcome, expected_rc, f"The command '{method}' of shell '{client.path}' of device '{client.device.name}'")
        return outcome


def report_outcome(outcome: CommandOutcome, expected_rc: int | None, what: str) -> None:
    """Writes a command's output into the log, and checks its exit status.

    Args:
        outcome: what it wrote and returned.
        expected_rc: the exit status that it has to have; None for any.
        what: the command, for the message.

    Raises:
        DriverError: it has another one.
    """
    parts = [f"exit status {outcome.rc} after {outcome.duration:.3f} s", outcome.stdout.rstrip("\n")]
    if outcome.stderr:
        parts += ["standard error:", outcome.stderr.rstrip("\n")]
    logger.info("\n".join(part for part in parts if part))
    if expected_rc is not None and outcome.rc != expected_rc:
        wrote = (outcome.stderr.strip() or outcome.stdout.strip())[-SHOWN:]
        raise DriverError(
            f"{what} ended with exit status {outcome.rc}, expected {expected_rc}. "
            + (f"It wrote:\n{wrote}" if wrote else "It wrote nothing.")
        )


SHOWN = 2000
"""Characters of output in the message of an error; the log has more."""
