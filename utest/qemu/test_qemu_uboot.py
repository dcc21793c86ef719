"""Our keywords on a real boot loader: Debian's U-Boot for arm64 in QEMU, behind upstream's drivers and exporter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import start_upstream_exporter
from helpers.programs import needs
from helpers.robot_run import RobotRunner

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console.uboot import UBoot
from JumpstarterLibrary.errors import ConsoleTimeoutError, DriverError

pytestmark = pytest.mark.qemu

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Upstream's exporter with the virtual board."""
    needs("qemu-system-arm", "qemu-system-aarch64")
    needs("ipxe-qemu", "/usr/lib/ipxe/qemu/efi-virtio.rom")  # only recommended by the former, and its network card needs it
    needs("u-boot-qemu", "/usr/lib/u-boot/qemu_arm64/u-boot.bin")
    with start_upstream_exporter((HERE / "exporter.yaml").read_text()) as exporter:
        yield exporter.address


def test_our_keywords_on_a_real_boot_loader(address: str, run_robot: RobotRunner) -> None:
    password = "pa'ss$wo\\rd"

    run = run_robot(
        HERE / "uboot.robot", "--variable", f"ADDRESS:{address}", "--loglevel", "TRACE", env={"U_BOOT_TEST_PASSWORD": password}
    )

    ended_by_robot = run.tests.pop("A Robot Timeout Leaves A Usable Boot Loader")
    assert ended_by_robot.message.split("\n")[0] == "Test timeout 500 milliseconds exceeded."
    assert "teardown" not in ended_by_robot.message
    failed = {name: test.message for name, test in run.tests.items() if not test.passed}
    assert not failed, "\n".join(f"{name}: {text}" for name, text in failed.items())
    assert run.returncode == 1
    assert len(run.tests) > 20
    said = (run.outputdir / "jumpstarter" / "board" / "vm.console.log").read_bytes().replace(b"\r", b"")
    assert said.count(b"\nU-Boot 20") >= 3, "after each reset"
    assert b"Unknown command 'nosuch' - try 'help'\n" in said
    assert said.rindex(b"the very last line\n") > said.rindex(b"Hit any key to stop autoboot")
    # Everything that the keywords saw, from the first test on, is in the file too.
    transcript = (run.outputdir / "transcript.txt").read_bytes()
    assert b"the very last line" in transcript
    assert [line for line in transcript.split(b"\n") if line.startswith(b"JLE") and line not in said] == []
    for form in (password, "pa'\\''ss", "wo\\\\rd"):
        assert run.files_with(form) == []


def test_the_same_in_plain_python(address: str) -> None:
    with connect(address, timeout=20) as device:
        serial = device.driver("vm.console")
        with pytest.raises(DriverError, match="connect_later=True"):
            serial.open_console()
        console = serial.open_console(connect_later=True)
        assert not console.connected
        assert device.uboot.serial.open_console() is console, "a proxy is the same console"

        u_boot = UBoot(console, device.uboot.prompt())
        u_boot.boot(device.uboot.power.on)
        assert console.connected
        assert u_boot.execute("version").stdout.startswith("U-Boot 20")
        device.uboot.power.off()
        with pytest.raises(ConsoleTimeoutError, match="the stream is not open"):
            u_boot.boot(lambda: None, timeout=0.5)
