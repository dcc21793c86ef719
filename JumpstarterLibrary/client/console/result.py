"""What a wait returns."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ConsoleMatch:
    """A pattern that was found on a console; as text it is the line."""

    console: str
    """Name of the console."""
    line: str
    """The whole line."""
    match: str
    """The part that matched."""
    groups: tuple[str | None, ...] = ()
    """What the groups of a regular expression hold."""
    named: dict[str, str | None] = field(default_factory=dict)
    """What its named groups hold; they are attributes too."""
    before: str = ""
    """Everything between the begin of the search and the match."""
    after: str = ""
    """The rest of the line behind the match."""
    label: str = ""
    """Which of several patterns it was."""
    time: float = 0.0
    """When the line arrived, seconds since 1970."""
    elapsed: float = 0.0
    """Seconds since the wait began; below zero if the line was there before."""
    since_power_on: float | None = None
    """Seconds since the device was last switched on in this session, if it was."""
    start: int = 0
    """Position of the match in the transcript."""
    end: int = 0
    """Position behind the match."""
    device: str = ""
    """Name of the device, which is the session's alias."""

    @property
    def text(self) -> str:
        """Everything from the begin of the search to the end of the match."""
        return self.before + self.match

    def __getattr__(self, name: str) -> str | None:
        named: dict[str, str | None] = self.__dict__.get("named", {})
        if name in named:
            return named[name]
        raise AttributeError(f"the match has no attribute or named group '{name}'")

    def __getitem__(self, key: int | str) -> str | None:
        return self.named[key] if isinstance(key, str) else (self.match, *self.groups)[key]

    def __str__(self) -> str:
        return self.line


@dataclass(frozen=True)
class CommandResult:
    """What a command printed and returned; as text it is what it printed."""

    command: str
    stdout: str
    rc: int
    """Exit status."""
    duration: float
    """Seconds."""
    noise: str = ""
    """Lines of the kernel that came in between."""

    def __str__(self) -> str:
        return self.stdout
