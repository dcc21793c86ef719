"""Flashers and storage muxes on our own drivers: sides of the card, errors and what they say, two at once."""

from __future__ import annotations

import bz2
import gzip
import lzma
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from lying_drivers import LyingMux, StuckMux
from storing_support import image_file, random_bytes

from JumpstarterLibrary.client import Device, FlasherClient, StorageMuxClient
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.drivers import Composite, MockFlasher, MockPower, MockStorageMux, MockStorageMuxFlasher
from JumpstarterLibrary.errors import (
    ConfigurationError,
    DriverError,
    DriverNotFoundError,
    DriverNotSupportedError,
    InfrastructureError,
    TransferMismatchError,
    UsageError,
)
from JumpstarterLibrary.exporter import Driver, export

DATA = random_bytes(200_000)


def source(data: bytes = DATA) -> Source:
    return Source.of_bytes(data, "data")


class NoDump(MockFlasher):
    @export
    async def dump(self, target: object, partition: str | None = None) -> None:
        raise NotImplementedError("this chip cannot be read")


class ReluctantMux(LyingMux):
    """Cannot give its card away at first."""

    asked = 0

    @export
    async def dut(self) -> None:
        self.asked += 1
        if self.asked < 3:
            raise RuntimeError("the card is being written")
        self.side = "dut"


class HangingMux(MockStorageMux):
    @export
    async def write(self, source: object) -> None:
        async with self.resource(source):
            import anyio

            await anyio.sleep(60)


class TestCard:
    def test_it_is_at_the_host_for_the_transfer_and_at_the_device_afterwards(self, serve: Callable[..., Device], tmp_path: Path):
        mux = MockStorageMuxFlasher()
        client = serve(mux).driver_of(StorageMuxClient)
        for act in (
            lambda: client.write(source(), verify=True),
            lambda: client.read(tmp_path / "card"),
            lambda: client.flash(source()),
            lambda: client.dump(tmp_path / "card"),
        ):
            client.off()
            assert mux.side == "off"
            act()  # the driver refuses this unless the card is at the host
            assert mux.side == "dut"
        assert (tmp_path / "card").read_bytes() == DATA

    def test_also_after_an_error_which_says_so(self, serve: Callable[..., Device], tmp_path: Path):
        mux = LyingMux(give=lambda _: b"")
        client = serve(mux).driver_of(StorageMuxClient)
        with pytest.raises(TransferMismatchError, match="The card is connected to the dut again"):
            client.write(source(), verify=True)
        assert mux.side == "dut"
        with pytest.raises(TransferMismatchError, match="The card is connected to the dut again"):
            client.read(tmp_path / "card", size=5)
        assert mux.side == "dut"
        with pytest.raises(ConfigurationError, match=r"no directory.*The card is connected to the dut again"):
            client.read(tmp_path / "nowhere" / "card")

    def test_after_a_transfer_that_stood_still(self, serve: Callable[..., Device]):
        mux = HangingMux()
        client = serve(mux).driver_of(StorageMuxClient)
        with pytest.raises(DriverError, match=r"stalled.*The card is connected to the dut again"):
            client.write(source(random_bytes(10_000_000)), idle=0.3)
        assert mux.side == "dut"

    def test_a_card_that_cannot_be_given_back_is_said_so(self, serve: Callable[..., Device]):
        client = serve(StuckMux()).driver_of(StorageMuxClient)
        with pytest.raises(DriverError, match=r"the card is broken.*The card may still be at the host: .*the relay is stuck"):
            client.write(source())

    def test_a_transfer_that_was_given_up_gets_a_moment_to_end(self, serve: Callable[..., Device]):
        mux = ReluctantMux(give=lambda _: b"")
        with pytest.raises(TransferMismatchError, match="The card is connected to the dut again"):
            serve(mux).driver_of(StorageMuxClient).write(source(), verify=True)
        assert mux.side == "dut"

    def test_that_fails_the_transfer_too(self, serve: Callable[..., Device], tmp_path: Path):
        client = serve(StuckMux()).driver_of(StorageMuxClient)
        with pytest.raises(DriverError, match=r"the relay is stuck.*The transfer itself was complete"):
            client.read(tmp_path / "card")

    def test_it_has_no_targets(self, serve: Callable[..., Device], tmp_path: Path):
        mux = MockStorageMux()
        client = serve(mux).driver_of(FlasherClient)
        for act in (
            lambda: client.flash(source(), "root"),
            lambda: client.dump(tmp_path / "card", "root"),
            lambda: client.flash_by_exporter("http://127.0.0.1:1/", "root"),
        ):
            with pytest.raises(UsageError, match="one card and no targets, so leave target 'root' out"):
                act()
        assert mux.side == "off", "nothing was done"


class TestVerifying:
    def test_a_driver_that_cannot_dump_says_so_and_what_to_do(self, serve: Callable[..., Device], tmp_path: Path):
        client = serve(NoDump()).driver_of(FlasherClient)
        assert not client.flash(source()).proven
        with pytest.raises(DriverNotSupportedError, match=r"'data' was written .* and cannot be verified.*Leave verify= out"):
            client.flash(source(), verify=True)
        with pytest.raises(DriverNotSupportedError, match="This driver has no dump"):
            client.dump(tmp_path / "dump")

    def test_without_it_what_the_driver_says_is_compared(self, serve: Callable[..., Device]):
        written = serve(MockFlasher()).driver_of(FlasherClient).flash(source())
        assert written.checked == "the driver confirmed the size and SHA-256; not read back (verify=True does)"
        assert not written.proven

    @pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 4 * 1024**2 - 1, 4 * 1024**2, 4 * 1024**2 + 1])
    def test_sizes(self, size: int, serve: Callable[..., Device], tmp_path: Path):
        client = serve(MockFlasher()).driver_of(FlasherClient)
        data = random_bytes(size)
        assert client.flash(source(data), "part", verify=True).transfer.size == size
        read = client.dump(tmp_path / "dump", "part", size=size)
        assert (tmp_path / "dump").read_bytes() == data
        assert read.sha256 == client.flash(source(data)).transfer.sha256

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    def test_packed_images_arrive_unpacked(self, pack: Callable[[bytes], bytes], serve: Callable[..., Device], tmp_path: Path):
        image = tmp_path / "image.raw"
        image.write_bytes(pack(DATA[:50_000]) + pack(DATA[50_000:]))
        client = serve(MockFlasher()).driver_of(FlasherClient)
        client.flash(open_source(image), verify=True)
        client.dump(tmp_path / "dump")
        assert (tmp_path / "dump").read_bytes() == DATA

    def test_a_corrupt_archive_never_passes(self, serve: Callable[..., Device], tmp_path: Path):
        image = tmp_path / "image.gz"
        image.write_bytes(gzip.compress(DATA)[:-10])
        with pytest.raises(ConfigurationError, match="Cannot unpack"):
            serve(MockFlasher()).driver_of(FlasherClient).flash(open_source(image))

    def test_an_old_dump_stays_if_the_new_one_is_wrong(self, serve: Callable[..., Device], tmp_path: Path):
        target = tmp_path / "dump"
        target.write_text("old")
        client = serve(MockFlasher()).driver_of(FlasherClient)
        client.flash(source())
        with pytest.raises(TransferMismatchError):
            client.dump(target, size=1)
        assert target.read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["dump"]
        with pytest.raises(ConfigurationError, match="is no checksum"):
            client.dump(target, checksum="abc")
        with pytest.raises(ConfigurationError, match="by md5"):
            client.dump(target, checksum="ab" * 16)


class TestByExporter:
    @pytest.fixture
    def url(self) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(DATA)))
                self.end_headers()
                self.wfile.write(DATA)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/image"
        server.shutdown()
        server.server_close()

    def test_the_exporter_fetches(self, url: str, serve: Callable[..., Device], tmp_path: Path):
        for driver in (MockFlasher(), MockStorageMux()):
            client = serve(driver).driver_of(FlasherClient)
            client.flash_by_exporter(url)
            client.dump(tmp_path / "dump")
            assert (tmp_path / "dump").read_bytes() == DATA

    def test_what_it_cannot_fetch_is_an_error(self, serve: Callable[..., Device]):
        mux = MockStorageMux()
        with pytest.raises(DriverError, match="The card is connected to the dut again"):
            serve(mux).driver_of(StorageMuxClient).flash_by_exporter("http://127.0.0.1:1/image")
        assert mux.side == "dut"
        with pytest.raises(ConfigurationError, match="no http or https address"):
            serve(MockFlasher()).driver_of(FlasherClient).flash_by_exporter("/tmp/image")


class TestChoosing:
    def test_a_mux_is_a_flasher_too(self, serve: Callable[..., Device]):
        device = serve(Composite(children={"card": MockStorageMux(), "power": MockPower()}))
        assert device.driver_of(FlasherClient).path == "card"

    def test_two_are_an_error(self, serve: Callable[..., Device]):
        device = serve(Composite(children={"card": MockStorageMux(), "chip": MockFlasher()}))
        with pytest.raises(DriverNotFoundError, match="2 flasher drivers: 'card', 'chip'"):
            device.driver_of(FlasherClient)
        assert device.driver_of(StorageMuxClient).path == "card"

    def test_what_is_no_flasher_on_the_wire(self, serve: Callable[..., Device]):
        device = serve(Composite(children={"power": MockPower(), "thing": Driver()}))
        with pytest.raises(DriverNotSupportedError, match="Call Driver Client Method"):
            device.driver_of(FlasherClient, "thing").flash(source())
        with pytest.raises(DriverNotFoundError, match=r"'power' of device '.*' is a power driver, no flasher driver"):
            device.driver_of(FlasherClient, "power")


class TestAtOnce:
    def test_two_flashes_on_two_drivers(self, serve: Callable[..., Device], tmp_path: Path):
        drivers = {"one": MockFlasher(), "two": MockFlasher()}
        device = serve(Composite(children=dict(drivers)))
        images = {name: image_file(tmp_path, 20_000_000, seed) for seed, name in enumerate(drivers)}
        both_move = threading.Barrier(2)
        results: dict[str, object] = {}

        def flash(name: str) -> None:
            waited = [False]

            def progress(count: int, total: int | None) -> None:
                if not waited[0]:
                    waited[0] = True
                    both_move.wait(10)  # neither goes on before the other has begun

            client = device.driver_of(FlasherClient, name)
            results[name] = client.flash(open_source(images[name]), verify=True, progress=progress)

        threads = [threading.Thread(target=flash, args=(name,)) for name in drivers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert set(results) == set(drivers)
        for name, driver in drivers.items():
            assert driver.partitions["default"].beginning(20_000_000) == images[name].read_bytes()

    def test_nothing_is_left_behind(self, serve: Callable[..., Device], tmp_path: Path):
        driver = MockFlasher()
        device = serve(Composite(children={"chip": driver, "card": HangingMux()}))
        before = threading.active_count()
        client = device.driver_of(FlasherClient, "chip")
        for _ in range(3):
            client.flash(source(), verify=True)
            with pytest.raises(DriverError):
                client.dump(tmp_path / "dump", "nothing")
            with pytest.raises((DriverError, InfrastructureError)):
                device.driver_of(StorageMuxClient).write(source(random_bytes(9_000_000)), idle=0.2)
        assert not driver.resources
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("jumpstarter-re")]
        assert names == [], f"{threading.active_count()} threads, and {before} before"


class BusyMux(MockStorageMux):
    """Needs a moment before it lets the card go."""

    refusals = 2

    @export
    async def dut(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("the card is still being read")
        self.connect_to("dut")


def test_a_mux_that_needs_a_moment_gets_it(serve):
    driver = BusyMux()
    client = serve(driver).driver_of(StorageMuxClient)
    client.write(Source.of_bytes(b"image"))
    assert driver.side == "dut"
    driver.refusals = 10
    with pytest.raises(DriverError, match=r"still being read.*The transfer itself was complete"):
        client.write(Source.of_bytes(b"image"))


def test_an_empty_checksum_is_none(serve, tmp_path):
    with pytest.raises(ConfigurationError, match="is no checksum"):
        serve(MockStorageMux()).driver_of(StorageMuxClient).dump(tmp_path / "dump", checksum="")
