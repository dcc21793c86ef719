"""Upstream's U-Boot driver: it names the power and the console of a boot loader, and knows its prompt."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import DriverError
from .driver import DriverClient
from .power import PowerClient

if TYPE_CHECKING:
    from .device import Device


class UBootClient(DriverClient):
    """Knows the boot loader of the console and the power that are its children."""

    family = "U-Boot"
    tags = frozenset({"jumpstarter_driver_uboot.client.UbootConsoleClient"})

    @cached_property
    def prompt(self) -> str:
        """Regular expression for the prompt.

        Raises:
            DriverError: the driver's answer is no text.
        """
        text = self.call("get_prompt")
        if not isinstance(text, str) or not text.strip():
            raise DriverError(f"Driver '{self.path}' of device '{self.device.name}' should know a prompt, and answered {text!r}.")
        # Upstream's begins with a line end, as it is searched for in the raw output.
        return f"{re.escape(text.strip())} ?$"

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
