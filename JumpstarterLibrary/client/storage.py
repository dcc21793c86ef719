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
from ..wire.web import request_secrets, shown_url
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
            url: an http or https address that the exporter can reach. User name, password and query are masked from now on
                wherever they turn up.
            target: as for `flash`.
            headers: for the request; their values are masked too.
            timeout: for all of it.

        Returns:
            What the driver returned.

        Raises:
            ConfigurationError: it is no such address.
            DriverError: the driver failed.
        """
        with self._explained("flash"):
            answer = self.call("flash", self._request(url, headers), target, timeout=timeout)
        check_answer(self._act("flash"), Transfer(shown_url(url), 0, 0.0, "", answer), sent=False)
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

    def _request(self, url: str, headers: dict[str, str] | None) -> dict[str, object]:
        """The handle of a request; what may be secret in it is masked in what the driver says about it."""
        request = presigned(url, headers=headers)
        for secret in request_secrets(url, headers or {}):
            self.device.connection.redact.add(secret)
        return request

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
            answer = self.call("write", self._request(url, headers), timeout=timeout)
            check_answer(self._act("write"), Transfer(shown_url(url), 0, 0.0, "", answer), sent=False)
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
        """The card at the host, and afterwards at the device under test, whatever happens; also if the user interrupts this at
        any line, even while the card is being given back."""
        errand = _Errand()
        try:
            try:
                self.host()
                yield
                self._return_card(errand)
            except BaseException as error:
                self._give_back(errand, error)
                raise
        except BaseException as error:
            self._give_back(errand, error)
            raise

    def _return_card(self, errand: _Errand) -> None:
        """Gives the card to the device after a transfer that went well."""
        for pause in (*PAUSES, None):
            try:
                self.dut()
                errand.done = True
            except JumpstarterError as error:
                # A read that was ended once enough had come may take a moment to end in the driver.
                if pause is None or not isinstance(error, DriverError) or isinstance(error, DriverTimeoutError):
                    errand.tell(error, "The transfer itself was complete, and the card may still be at the host.")
                    raise
                time.sleep(pause)
            else:
                return

    def _give_back(self, errand: _Errand, error: BaseException) -> None:
        """Gives the card to the device after an error, and says in it whether that went well."""
        if errand.done or errand.told_in is error:
            return
        if errand.told_in is not None or is_silent(error):
            errand.tell(error, "The card may still be at the host.")
            return
        broken = isinstance(error, InfrastructureError) or not isinstance(error, JumpstarterError)
        stalled = SWITCHING_BACK_AFTER_STALL if isinstance(error, DriverTimeoutError) else SWITCHING_BACK
        deadline = Deadline(SWITCHING_BACK_QUICKLY if broken else stalled)
        pauses = iter(PAUSES)
        while not errand.done:
            try:
                self.dut(timeout=max(deadline.remaining, 0.01))
                errand.done = True
                add_note(error, "The card is connected to the dut again.")
            except JumpstarterError as other:
                # The transfer that was given up may take a moment to end in the driver.
                pause = next(pauses, None) if isinstance(other, DriverError) else None
                if pause is None or deadline.expired:
                    errand.tell(error, f"The card may still be at the host: {other}")
                    return
                deadline.sleep(pause)

    def _refuse_target(self, target: str | None) -> None:
        if target is not None:
            raise UsageError(
                f"{self._act('write')} was not sent: a storage mux has one card and no targets, so leave target '{target}' out."
            )


class _Errand:
    """What became of giving the card back."""

    done = False
    told_in: BaseException | None = None
    """The error that says that the card may be at the host."""

    def tell(self, error: BaseException, note: str) -> None:
        """Says in an error that the card may be at the host."""
        add_note(error, note)
        self.told_in = error


READ_BACK = "read back and compared: same size, same SHA-256"


def _unverified(confirmed: str) -> str:
    told = f"the driver confirmed the {confirmed}; " if confirmed else ""
    return f"{told}not read back (verify=True does)"
