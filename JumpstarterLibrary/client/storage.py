"""Storage that images are written to: flashers, and muxes that give a card to the host or to the device (protocol §4.7)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    DriverError,
    DriverMethodNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    InfrastructureError,
    JumpstarterError,
    UsageError,
)
from ..wire.deadline import Deadline, Timeout
from .checked import checked_download, read_back
from .driver import DriverClient
from .failures import Act
from .images import Source, presigned
from .resources import HANDLE, Transfer, upload
from .verification import Written, add_note, check_answer, expecting, is_silent

if TYPE_CHECKING:
    from .resources import Progress

FETCHING = timedelta(hours=1)
"""How long an exporter may fetch an image by itself; nothing tells how far it is."""
SWITCHING_BACK = 2.0
"""Seconds for giving the card back after an error; less where the lab is what broke, or where the user waits."""
SWITCHING_BACK_QUICKLY = 0.3
SWITCHING_BACK_AFTER_STALL = 0.8
PAUSES = (0.05, 0.1, 0.2)
"""Seconds between the attempts."""


class FlasherClient(DriverClient):
    """Writes images to the device's storage, and reads them back."""

    family = "flasher"
    tags = frozenset(
        {
            "jumpstarter.client.flasher.FlasherClient",
            "jumpstarter_driver_opendal.client.FlasherClient",
            "jumpstarter_driver_qemu.client.QemuFlasherClient",
            "jumpstarter_driver_esp32.client.Esp32FlasherClient",
            "jumpstarter_driver_pi_pico.client.PiPicoClient",
            "jumpstarter_driver_stlink_msd.client.StlinkMsdFlasherClient",
        }
    )

    def flash(
        self,
        source: Source,
        target: str | None = None,
        *,
        verify: bool = False,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Writes an image.

        Args:
            source: the image.
            target: where to; what that means is the driver's: a partition, an address, a file name. None is its default.
            verify: reads the image back and compares; the driver has to be able to dump.
            idle: the longest time without progress.
            progress: is told how far it is.

        Raises:
            TransferMismatchError: the driver took something else, or has something else afterwards.
            DriverNotSupportedError: the driver cannot flash, or `verify` was asked for and it cannot dump.
            DriverError: the driver failed.
        """
        with self._explained("flash"):
            transfer = upload(self, "flash", source, (HANDLE, target), idle=idle, progress=progress)
        confirmed = check_answer(self._act("flash"), transfer)
        if not verify:
            return Written(transfer, _unverified(confirmed), proven=False)
        with self._verifying(transfer):
            read_back(self, "dump", (HANDLE, target), transfer, idle=idle)
        return Written(transfer, READ_BACK, proven=True)

    def flash_by_exporter(
        self, url: str, target: str | None = None, *, headers: dict[str, str] | None = None, timeout: Timeout = FETCHING
    ) -> object:
        """Has the exporter itself fetch an image and write it as it is. Nothing can be compared, as nothing comes through here.

        Args:
            url: an http or https address that the exporter can reach.
            target: as for `flash`.
            headers: for the request.
            timeout: for all of it.

        Returns:
            What the driver returned.

        Raises:
            ConfigurationError: it is no such address.
            DriverError: the driver failed.
        """
        with self._explained("flash"):
            answer = self.call("flash", presigned(url, headers=headers), target, timeout=timeout)
        check_answer(self._act("flash"), Transfer(url, 0, 0.0, "", answer), sent=False)
        return answer

    def dump(
        self,
        path: Path,
        target: str | None = None,
        *,
        size: int | None = None,
        checksum: str | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        """Reads the storage, or a part of it, into a local file, which is there only once it is complete.

        Args:
            path: the local file; one that was there is replaced.
            target: as for `flash`.
            size: bytes that have to come.
            checksum: what their SHA-256 has to be: `sha256:HEX`, or the digits alone.
            idle: the longest time without progress.
            progress: is told how far it is.

        Raises:
            TransferMismatchError: it has another size or checksum; then there is no file.
            DriverNotSupportedError: the driver cannot dump.
            DriverError: the driver failed.
        """
        accept = expecting(self._act("dump"), size, checksum)
        with self._explained("dump"):
            return checked_download(self, "dump", path, (HANDLE, target), accept=accept, idle=idle, progress=progress)

    # ------------------------------------------------------------------- parts

    @contextlib.contextmanager
    def _explained(self, method: str) -> Iterator[None]:
        try:
            yield
        except DriverMethodNotFoundError as error:
            raise DriverNotSupportedError(
                f"{error} So it is no flasher on the wire. If its own Python client can flash, use Call Driver Client Method."
            ) from None
        except DriverNotSupportedError as error:
            raise DriverNotSupportedError(f"{error} This driver has no {method}.") from None

    @contextlib.contextmanager
    def _verifying(self, transfer: Transfer) -> Iterator[None]:
        """Says of a failed verification that the image was written, and of an impossible one what to do."""
        try:
            yield
        except (DriverMethodNotFoundError, DriverNotSupportedError):
            raise DriverNotSupportedError(
                f"'{transfer.name}' was written with {self._act(self._write_method)}, and cannot be verified: this driver cannot "
                "read back. Leave verify= out, and check the device itself, by its version for example."
            ) from None
        except JumpstarterError as error:
            add_note(error, f"'{transfer.name}' was written before, and the driver reported success.")
            raise

    _write_method = "flash"

    def _act(self, method: str) -> Act:
        return Act(self.device.name, self.path, method)


class StorageMuxClient(FlasherClient):
    """A card that is connected to the host, to the device under test, or to neither. Writing, reading, flashing and dumping give
    it to the host before and to the device afterwards, also after an error."""

    family = "storage mux"
    tags = frozenset(
        {
            "jumpstarter_driver_opendal.client.StorageMuxClient",
            "jumpstarter_driver_opendal.client.StorageMuxFlasherClient",
        }
    )

    def host(self, *, timeout: Timeout | None = None) -> None:
        """Connects the card to the host."""
        self.call("host", timeout=timeout)

    def dut(self, *, timeout: Timeout | None = None) -> None:
        """Connects the card to the device under test."""
        self.call("dut", timeout=timeout)

    def off(self, *, timeout: Timeout | None = None) -> None:
        """Disconnects the card from both. Some muxes cannot, and connect it to the host."""
        self.call("off", timeout=timeout)

    def write(
        self, source: Source, *, verify: bool = False, idle: Timeout | None = None, progress: Progress | None = None
    ) -> Written:
        """Writes an image to the card; arguments and errors as for `FlasherClient.flash`."""
        with self._at_host():
            transfer = upload(self, "write", source, (HANDLE,), idle=idle, progress=progress)
            confirmed = check_answer(self._act("write"), transfer)
            if not verify:
                return Written(transfer, _unverified(confirmed), proven=False)
            with self._verifying(transfer):
                read_back(self, "read", (HANDLE,), transfer, idle=idle)
            return Written(transfer, READ_BACK, proven=True)

    def read(
        self,
        path: Path,
        *,
        size: int | None = None,
        checksum: str | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        """Reads the card into a local file; arguments and errors as for `FlasherClient.dump`."""
        accept = expecting(self._act("read"), size, checksum)
        with self._at_host():
            return checked_download(self, "read", path, accept=accept, idle=idle, progress=progress)

    def flash(
        self,
        source: Source,
        target: str | None = None,
        *,
        verify: bool = False,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Writes an image to the card, which has no targets; as `write`."""
        self._refuse_target(target)
        return self.write(source, verify=verify, idle=idle, progress=progress)

    def flash_by_exporter(
        self, url: str, target: str | None = None, *, headers: dict[str, str] | None = None, timeout: Timeout = FETCHING
    ) -> object:
        """Has the exporter itself fetch an image and write it to the card; as `FlasherClient.flash_by_exporter`."""
        self._refuse_target(target)
        with self._at_host():
            answer = self.call("write", presigned(url, headers=headers), timeout=timeout)
            check_answer(self._act("write"), Transfer(url, 0, 0.0, "", answer), sent=False)
            return answer

    def dump(
        self,
        path: Path,
        target: str | None = None,
        *,
        size: int | None = None,
        checksum: str | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        """Reads the card, which has no targets, into a local file; as `read`."""
        self._refuse_target(target)
        return self.read(path, size=size, checksum=checksum, idle=idle, progress=progress)

    # ------------------------------------------------------------------- parts

    _write_method = "write"

    @contextlib.contextmanager
    def _at_host(self) -> Iterator[None]:
        """The card at the host, and afterwards at the device under test, whatever happens."""
        try:
            self.host()
            yield
        except BaseException as error:
            self._give_back(error)
            raise
        for pause in (*PAUSES, None):
            try:
                self.dut()
            except JumpstarterError as error:
                # A read that was ended once enough had come may take a moment to end in the driver.
                if pause is None or not isinstance(error, DriverError) or isinstance(error, DriverTimeoutError):
                    add_note(error, "The transfer itself was complete, and the card may still be at the host.")
                    raise
                time.sleep(pause)
            else:
                return

    def _give_back(self, error: BaseException) -> None:
        if is_silent(error):
            add_note(error, "The card may still be at the host.")
            return
        broken = isinstance(error, InfrastructureError) or not isinstance(error, JumpstarterError)
        stalled = SWITCHING_BACK_AFTER_STALL if isinstance(error, DriverTimeoutError) else SWITCHING_BACK
        deadline = Deadline(SWITCHING_BACK_QUICKLY if broken else stalled)
        pauses = iter(PAUSES)
        while True:
            try:
                self.dut(timeout=max(deadline.remaining, 0.01))
            except JumpstarterError as other:
                # The transfer that was given up may take a moment to end in the driver.
                pause = next(pauses, None) if isinstance(other, DriverError) else None
                if pause is None or deadline.expired:
                    add_note(error, f"The card may still be at the host: {other}")
                    return
                deadline.sleep(pause)
            else:
                add_note(error, "The card is connected to the dut again.")
                return

    def _refuse_target(self, target: str | None) -> None:
        if target is not None:
            raise UsageError(
                f"{self._act('write')} was not sent: a storage mux has one card and no targets, so leave target '{target}' out."
            )


READ_BACK = "read back and compared: same size, same SHA-256"


def _unverified(confirmed: str) -> str:
    told = f"the driver confirmed the {confirmed}; " if confirmed else ""
    return f"{told}not read back (verify=True does)"
