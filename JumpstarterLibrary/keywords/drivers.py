"""Looking at the driver tree, and calling any method of any driver."""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from robot.api import logger
from robot.utils import DotDict

from ..client.driver import DriverClient
from ..client.tree import Node
from ..report.driver_tree import as_table
from .base import KeywordGroup, Tag, keyword


class DriverKeywords(KeywordGroup):
    """Keywords for drivers of every kind."""

    @keyword(tags=[Tag.DRIVER, Tag.GETTER])
    def get_driver_tree(self) -> DotDict:
        """Returns the device's driver tree, and draws it as a table in the log.

        Returns:
            The root as a dictionary with `name`, `path`, `uuid`, `client` (the type tag), `family`, `description`,
            `methods` (help texts by command), `labels`, and `children`: dictionaries of the same kind by name.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${tree} =    Get Driver Tree
            Should Be Equal    ${tree.children.power.family}    power
        ```
        """
        device = self.device
        logger.info(as_table(device.name, device.tree), html=True)
        return _described(device.tree)

    @keyword(tags=[Tag.DRIVER, Tag.GETTER])
    def find_drivers(self, *, client_class: str | None = None, name: str | None = None, family: str | None = None) -> list[str]:
        """Returns the paths of the drivers that fit, in the order of the tree.

        Args:
            client_class: Pattern for the type tag, such as `*.PowerClient`; case matters, `*` matches anything.
            name: Pattern for the name in the tree.
            family: What the library takes the driver for: `power`, or `driver` for every other.

        Returns:
            Paths; the root's is the empty text. The list is empty when none fits.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${paths} =    Find Drivers    client_class=*.PowerClient
            Should Contain    ${paths}    power
        ```
        """
        wanted = ((client_class, lambda node: node.type_tag), (name, lambda node: node.name), (family, _family))
        return [
            node.path
            for node in self.device.tree.walk()
            if all(pattern is None or fnmatchcase(value(node), pattern) for pattern, value in wanted)
        ]

    @keyword(tags=[Tag.DRIVER, Tag.ASSERTION])
    def driver_should_exist(self, path: str) -> None:
        """Fails unless the device has a driver at this path; the message lists near matches.

        Args:
            path: Names from the root joined by dots, such as `dut.power`.

        Raises:
            CONFIGURATION: there is no such driver.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Driver Should Exist    power
        ```
        """
        self.device.driver(path)

    @keyword(tags=[Tag.DRIVER, Tag.SETTING])
    def set_default_driver(self, path: str) -> str:
        """Sets where keywords of the current session look for a driver when none is named.

        Args:
            path: A driver, or the parent of several; the empty text is the whole tree.

        Returns:
            The path that was set before, to set it back.

        Raises:
            CONFIGURATION: there is no such driver.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${before} =    Set Default Driver    power
            Set Default Driver    ${before}
        ```
        """
        device = self.device
        device.driver(path)
        before, device.default_driver = device.default_driver, path
        return before

    @keyword(tags=[Tag.DRIVER])
    def call_driver_method(
        self, method: str, *arguments: Any, driver: str | None = None, timeout: timedelta | None = None
    ) -> Any:
        """Calls a method that a driver exports, and returns its result.

        Arguments are passed as Robot gives them: `5` is text, and `${5}` is a number. Secrets reach the driver and
        show as `<secret>` everywhere else.

        Args:
            method: Name of the method on the driver.
            arguments: Numbers, text, booleans, `${None}`, lists and dictionaries.
            driver: Path of the driver; the default driver unless given, else the root.
            timeout: How long the call may take; the library's timeout unless given.

        Returns:
            What the driver returned; dictionaries also have their entries as attributes.

        Raises:
            TEST: the driver has no such method, or takes other arguments.
            DEVICE: the driver raised an error.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Call Driver Method    on    driver=power
        ```
        """
        hidden = [self.hide(argument) for argument in arguments]
        return _robot_value(self.any_driver(driver).call(method, *hidden, timeout=timeout))

    @keyword(tags=[Tag.DRIVER])
    def stream_driver_method(
        self,
        method: str,
        *arguments: Any,
        count: int | None = None,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> list[Any]:
        """Calls a method that yields values, and returns them.

        Args:
            method: Name of the method on the driver.
            arguments: As for [Call Driver Method].
            count: How many values to take; then the call is cancelled. All until the driver ends unless given.
            driver: Path of the driver; the default driver unless given, else the root.
            timeout: How long all values may take together; the library's timeout unless given.

        Returns:
            The values, at most `count`.

        Raises:
            TEST: the driver has no such method, or takes other arguments.
            DEVICE: the driver raised an error, or does not end in time.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${readings} =    Stream Driver Method    read    count=2    driver=power
            Length Should Be    ${readings}    2
        ```
        """
        hidden = [self.hide(argument) for argument in arguments]
        values = self.any_driver(driver).stream_call(method, *hidden, timeout=timeout)
        try:
            return [_robot_value(value) for value in islice(values, count)]
        finally:
            values.close()


def _family(node: Node) -> str:
    return DriverClient.class_for(node).family


def _described(node: Node) -> DotDict:
    return DotDict(
        name=node.name,
        path=node.path,
        uuid=node.uuid,
        client=node.type_tag,
        family=_family(node),
        description=node.description,
        methods=DotDict(node.methods_description),
        labels=DotDict(node.labels),
        children=DotDict({name: _described(child) for name, child in node.children.items()}),
    )


def _robot_value(value: object) -> object:
    """Gives dictionaries Robot's attribute access, at every depth."""
    if isinstance(value, dict):
        return DotDict({key: _robot_value(item) for key, item in value.items()})
    if isinstance(value, list):
        return [_robot_value(item) for item in value]
    return value
