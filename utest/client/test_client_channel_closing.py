"""A channel whose closing does not end, as after Ctrl-C in the first steps of a call, keeps nobody waiting."""

from __future__ import annotations

import threading
import time

from JumpstarterLibrary.client.channel import close_channel


class Stuck:
    """A channel that gRPC cannot close."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.release = threading.Event()

    def close(self) -> None:
        """Waits for a call that never ends."""
        self.asked.set()
        self.release.wait(60)


def test_a_closing_that_does_not_end_is_waited_for_for_a_moment_only() -> None:
    channel = Stuck()
    begin = time.monotonic()
    close_channel(channel)

    assert channel.asked.is_set()
    assert time.monotonic() - begin < 20
    channel.release.set()
