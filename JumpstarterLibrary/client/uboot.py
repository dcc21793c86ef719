"""Upstream's U-Boot driver: it names the power and the console of a boot loader, and knows its prompt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import DriverError
from ..wire.deadline import Timeout
from .driver import DriverClient
from .power import PowerClient

if TYPE_CHECKING:
    from .device import Device


class UBootClient(DriverClient):
    """Knows the boot loader of the console and the power that are its children."""

    family = "U-Boot"
    tags = frozenset({"jumpstarter_driver_uboot.client.UbootConsoleClient"})

    _prompt = ""

    def prompt(self, *, timeout: Timeout | None = None) -> str:
        """Returns the regular expression for the prompt; the driver is asked once.

        Args:
            timeout: for asking; the device's unless given.

        Raises:
            DriverError: the driver's answer is no text.
        """
        if self._prompt:
            return self._prompt
        text = self.call("get_prompt", timeout=timeout)
        if not isinstance(text, str) or not text.strip():
            raise DriverError(f"Driver '{self.path}' of device '{self.device.name}' should know a prompt, and answered {text!r}.")
        # Upstream's begins with a line end, as it is searched for in the raw output.
        self._prompt = f"{re.escape(text.strip())} ?$"
        return self._prompt

    @property
    def power(self) -> PowerClient | None:
        """The power driver among the children, if there is one."""
        return next((child for child in self.children.values() if isinstance(child, PowerClient)), None)


def u_boot_of(device: Device, console: str) -> UBootClient | None:
    """Returns the U-Boot driver that has the console of this path as a child, if there is one."""
    wanted = device.driver(console).node.uuid
    for node in device.tree.walk():
        client = device.client_for(node)
        # A proxy repeats the uuid of what it stands for.
        if isinstance(client, UBootClient) and any(child.uuid == wanted for child in node.children.values()):
            return client
    return None
