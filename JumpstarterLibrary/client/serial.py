"""Drivers with a console: byte streams of a UART, a virtual machine, a Bluetooth link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .driver import DriverClient

if TYPE_CHECKING:
    from .console import Console, ConsoleOptions


class SerialClient(DriverClient):
    """Opens the driver's byte stream as a console."""

    family = "console"
    tags = frozenset(
        {
            "jumpstarter_driver_pyserial.client.PySerialClient",
            "jumpstarter_driver_ble.client.BleWriteNotifyStreamClient",
        }
    )

    def open_console(self, options: ConsoleOptions | None = None) -> Console:
        """Opens the console, or returns it if it is open: each console has one reader, whoever asks.

        Args:
            options: how to read and write; those of an open console are replaced.

        Raises:
            JumpstarterError: the driver cannot open its stream; the message has the reason.
        """
        # Late: consoles would be a fifth of what importing the client costs, and many devices are used without.
        from .console import Console
        from .console.files import ConsoleFiles, file_name

        device = self.device
        console = device.consoles.get(self.path)
        if console is not None and not console.closed:
            if options is not None:
                console.options = options
            return console
        folder = device.files
        files = (
            ConsoleFiles(folder / f"{file_name(self.path or 'console')}.log", device.connection.redact.known) if folder else None
        )
        console = Console(self, options, files)
        device.consoles[self.path] = console
        if device.test:
            console.start_test(device.test)
        return console
