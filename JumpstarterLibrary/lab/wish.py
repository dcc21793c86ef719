"""What lease is wanted, before anybody is asked for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ..errors import UsageError

DEFAULT_DURATION = timedelta(minutes=10)
"""Short, as a killed process leaves its lease behind; it is extended while the session is open."""
DEFAULT_FIXED_DURATION = timedelta(minutes=30)
"""Where it is not extended; upstream's."""
MOST_TAGS = 10


@dataclass(frozen=True)
class LeaseRequest:
    """What a new lease is to be; selector or exporter name, or both."""

    selector: str = ""
    exporter_name: str = ""
    duration: timedelta = DEFAULT_DURATION
    tags: Mapping[str, str] = field(default_factory=dict)
    begin_time: datetime | None = None

    def __str__(self) -> str:
        if not self.exporter_name:
            return f"an exporter with {self.selector}"
        return f"exporter '{self.exporter_name}'" + (f" with {self.selector}" if self.selector else "")


@dataclass(frozen=True)
class Wish:
    """What lease is wanted: one that exists, or a new one by selector, exporter name or both."""

    selector: str = ""
    exporter_name: str = ""
    lease: str = ""
    """Name of an existing lease, which is then never released."""
    client_config: str | Path | None = None
    """Alias or path of the client configuration; the environment's or the user's current one unless given."""
    duration: timedelta | None = None
    acquisition_timeout: timedelta | None = None
    auto_extend: bool | None = None
    """Whether the lease is extended by itself; new ones are, unless said otherwise."""
    tags: Mapping[str, str] = field(default_factory=dict)
    begin_time: datetime | None = None

    @property
    def is_given(self) -> bool:
        """Whether a lease is wanted at all."""
        return bool(self.selector or self.exporter_name or self.lease)

    @property
    def extends(self) -> bool:
        """Whether the lease is extended by itself."""
        return not self.lease if self.auto_extend is None else self.auto_extend

    def check(self) -> None:
        """Checks what can be checked without a controller.

        Raises:
            UsageError: what is wanted cannot be.
        """
        for what, length in (("lease", self.duration), ("acquisition timeout", self.acquisition_timeout)):
            if length is not None and length <= timedelta():
                raise UsageError(f"A {what} must be longer than nothing, not {length.total_seconds():g} s.")
        if len(self.tags) > MOST_TAGS:
            raise UsageError(f"A lease has at most {MOST_TAGS} tags, not {len(self.tags)}.")

    def request(self) -> LeaseRequest:
        """What to ask the controller for."""
        duration = self.duration or (DEFAULT_DURATION if self.extends else DEFAULT_FIXED_DURATION)
        exporter = self.exporter_name.rpartition("/")[2]
        return LeaseRequest(self.selector, exporter, duration, self.tags, self.begin_time)

    def __str__(self) -> str:
        return f"lease '{self.lease}'" if self.lease else str(self.request())


def lease_of_environment(environment: Mapping[str, str] = os.environ) -> str:
    """Returns the lease that JMP_LEASE names. `direct` is none: `jmp shell` says that of an address (D55)."""
    name = environment.get("JMP_LEASE", "")
    return "" if name == "direct" else name
