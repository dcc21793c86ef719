"""The kernel of the simulated board: what it prints while it boots, and afterwards."""

from __future__ import annotations

import time
from collections import deque

import anyio

from .terminal import Terminal

RELEASE = "6.12.0-board"
KEPT_LINES = 2000
BOOT_LINES = (
    (0.000000, f"Linux version {RELEASE} (simulated) #1 SMP"),
    (0.000000, "machine: SimBoard, 4 cores, 512 MiB"),
    (0.000000, "Kernel command line: console=ttyS0,115200 root=/dev/mmcblk0p2 rootwait"),
    (0.004127, "clock: 24 MHz counter, wraps after 24000 years"),
    (0.021840, "smp: 4 of 4 cores are up"),
    (0.087315, "pinctrl: 58 pins in 3 groups"),
    (0.140992, "i2c0: bus at 400 kHz"),
    (0.215408, "rtc0: time is 1970-01-01 00:00:07"),
    (0.302276, "thermal: zone0 is the SoC"),
    (0.388651, "ttyS0: serial port at 0x10000000, 115200 baud, console"),
    (0.534190, "mmc0: card of 8 GB at 50 MHz"),
    (0.541877, " mmcblk0: p1 p2"),
    (0.690023, "eth0: link is up, 1000 Mbit/s"),
    (0.811460, "usb 1: hub with 4 ports"),
    (1.022905, "watchdog: 30 s, not armed"),
    (1.187332, "EXT4-fs (mmcblk0p2): mounted read-only"),
    (1.240118, "init: started, pid 1"),
)
"""Time stamps and texts."""
SERVICES = ("Mounting file systems", "Starting the network", "Starting services")
NOISE = (
    "usb 1-1: device descriptor read error, trying again",
    "eth0: link is down",
    "eth0: link is up, 1000 Mbit/s",
    "thermal: zone0 passed 50 degrees",
    "random: 128 bits of entropy gathered",
)
CARD_LOST = (
    "mmc0: card removed",
    "I/O error, dev mmcblk0, sector 262144 op 0x0:(READ)",
    "EXT4-fs error (device mmcblk0p2): cannot read inode table",
    "EXT4-fs (mmcblk0p2): shut down, the device is gone",
)
"""What it says when the card is taken away that it runs from."""
CARD_BACK = "mmc0: card of 8 GB at 50 MHz, not mounted"
PANIC = (
    "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
    "Internal error: Oops: 0000000096000004 [#1] SMP",
    "CPU: 2 PID: 214 Comm: simulation Not tainted " + RELEASE,
    "Call trace:",
    " simulated_fault+0x18/0x40",
    " simulated_write+0x5c/0x90",
    "Kernel panic - not syncing: simulated",
    "---[ end Kernel panic - not syncing: simulated ]---",
)


class Kernel:
    """Prints lines with a time stamp; never one that is older than the last.

    Args:
        terminal: where it prints.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._stamp, self._at = 0.0, time.monotonic()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """What it printed, for `dmesg`."""

    @property
    def uptime(self) -> float:
        """Seconds since it began, by its own time stamps."""
        return self._stamp + time.monotonic() - self._at

    def say(self, text: str, stamp: float | None = None) -> None:
        """Prints a line at once, whatever the terminal is in the middle of.

        Args:
            text: what it says.
            stamp: the time that it claims; it is later if that much time has really passed.
        """
        self._stamp, self._at = (self.uptime if stamp is None else max(stamp, self._stamp)), time.monotonic()
        line = f"[{self._stamp:12.6f}] {text}"
        self.lines.append(line)
        self._terminal.write(f"{line}\n")

    async def boot(self, seconds: float) -> None:
        """Prints the boot log; it takes as long as told."""
        total = BOOT_LINES[-1][0]
        before = 0.0
        for stamp, text in BOOT_LINES:
            await pause((stamp - before) / total * seconds)
            before = stamp
            self.say(text, max(stamp, self.uptime) if seconds > total else stamp)

    async def start_services(self, seconds: float) -> None:
        """Prints what the init process does; it takes as long as told."""
        for service in SERVICES:
            self._terminal.write(f"{service}: ")
            await pause(seconds / len(SERVICES))
            self._terminal.write("OK\n")


async def pause(seconds: float) -> None:
    """Sleeps, if there is anything to sleep."""
    if seconds > 0:
        await anyio.sleep(seconds)
