"""What devices say when something is badly wrong: ready-made sets of patterns to watch for."""

from __future__ import annotations

from enum import Enum

from .patterns import Match, Pattern
from .watchers import Watcher


class FailureSet(Enum):
    """A set of patterns."""

    LINUX = "linux"
    """Kernel panics, oopses, lock-ups, and processes killed for lack of memory."""
    WATCHDOG = "watchdog"
    """Resets by a watchdog."""
    U_BOOT = "u-boot"
    """The boot loader's own failures, and its starting again without being asked to."""
    ZEPHYR = "zephyr"
    """Fatal errors of Zephyr."""
    SECOND_BOOT = "second boot"
    """Any second boot since power on. What a command prints, such as `dmesg`, does not count."""


_PATTERNS: dict[FailureSet, list[tuple[str, str, int]]] = {
    FailureSet.LINUX: [
        ("kernel panic", r"Kernel panic - not syncing", 0),
        ("kernel oops", r"Oops(: |\[#|: [0-9a-f]{4} \[#)|Unable to handle kernel|BUG: unable to handle|Internal error: ", 0),
        ("kernel bug", r"kernel BUG at |BUG: (soft|hard) lockup|BUG: scheduling while atomic", 0),
        ("lock-up", r"soft lockup - CPU#|hard LOCKUP|rcu: INFO: rcu_\w+ (self-)?detected stall|hung_task: blocked tasks", 0),
        ("out of memory", r"Out of memory: Kill(ed)? process|invoked oom-killer", 0),
    ],
    FailureSet.WATCHDOG: [
        (
            "watchdog reset",
            r"(?i)watchdog[ -](did not stop|reset|timeout|timer expired)|reset (reason|cause).*(wdt|wdog|watchdog)",
            0,
        ),
    ],
    FailureSet.U_BOOT: [
        ("boot loader failure", r"### ERROR ### Please RESET the board|resetting \.\.\.|Synchronous Abort|data abort", 0),
        ("boot loader started again", r"^U-Boot (SPL )?\d{4}\.\d{2}", 2),
    ],
    FailureSet.ZEPHYR: [
        ("zephyr fatal error", r">>> ZEPHYR FATAL ERROR|FATAL ERROR: |ASSERTION FAIL \[|Halting system", 0),
    ],
    FailureSet.SECOND_BOOT: [
        ("second boot: boot loader", r"^U-Boot \d{4}\.\d{2}", 1),
        ("second boot: Linux", r"Linux version \d+\.\d+", 1),
        ("second boot: Zephyr", r"\*\*\* Booting Zephyr OS", 1),
    ],
}

_IN_LOGS = {"second boot: Linux", "second boot: boot loader", "boot loader started again"}
"""Labels of what commands print too: Linux keeps it in its log, and U-Boot says its version."""


def watchers_for(failures: FailureSet, scope: str = "") -> list[Watcher]:
    """Returns the watchers of a set."""
    return [
        Watcher(Pattern(pattern, Match.REGEX), label, scope, tolerated, in_logs=label in _IN_LOGS)
        for label, pattern, tolerated in _PATTERNS[failures]
    ]
