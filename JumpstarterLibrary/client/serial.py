"""Drivers with a console: byte streams of a UART, a virtual machine, a Bluetooth link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DriverError, DriverMethodNotFoundError, UsageError
from ..journal.files import own_path
from .driver import DriverClient

if TYPE_CHECKING:
    from .console import Console, ConsoleOptions
    from .console.files import ConsoleFiles


class SerialClient(DriverClient):
    """Opens the driver's byte stream as a console."""

    family = "console"
    tags = frozenset(
        {
            "jumpstarter_driver_pyserial.client.PySerialClient",
            "jumpstarter_driver_ble.client.BleWriteNotifyStreamClient",
        }
    )

    def open_console(self, options: ConsoleOptions | None = None, *, connect_later: bool = False) -> Console:
        """Opens the console, or returns it if it is open: each console has one reader, whoever asks and by whatever path.

        Args:
            options: how to read and write; those of an open console are replaced.
            connect_later: opens the console also when the driver cannot open its stream now, because the device is off. It
                connects as soon as the driver can, and is tried often when the device is switched on in this session.

        Raises:
            JumpstarterError: the driver cannot open its stream; the message has the reason.
        """
        # Late: consoles would be a fifth of what importing the client costs, and many devices are used without.
        from .console.files import ConsoleFiles

        device = self.device
        # By the driver's uuid, as a proxy is the same driver at another path, and a second reader would take half of the bytes.
        console = next((one for one in device.consoles.values() if one.uuid == self.node.uuid and not one.closed), None)
        if console is not None:
            if options is not None:
                console.options = options
            return console
        files = None
        try:
            if device.files is not None:
                files = ConsoleFiles(own_path(device.files, self.path or "console", ".log"), device.connection.redact.known)
            device.consoles[self.path] = console = self._connect(options, files, connect_later)
            if device.test:
                console.start_test(device.test)
            return console
        except BaseException:  # also Robot's timeout and Ctrl-C
            if opened := device.consoles.pop(self.path, None):
                opened.close()
            if files is not None:
                files.discard()
            raise

    def _connect(self, options: ConsoleOptions | None, files: ConsoleFiles | None, connect_later: bool) -> Console:
        from .console import Console

        device = self.device
        try:
            return Console(self, options, files, connect_later=connect_later)
        except DriverMethodNotFoundError:
            consoles = [node.path for node in device.tree.walk() if DriverClient.class_for(node) is SerialClient]
            raise UsageError(
                f"'{self.path or 'The root driver'}' of device '{device.name}' is no console; its consoles are "
                f"{', '.join(map(repr, consoles)) or 'none'}."
            ) from None
        except DriverError as error:
            raise type(error)(
                f"{error} If the console is there only while the device is on: switch it on first, or open the console with "
                "connect_later=True."
            ) from None
