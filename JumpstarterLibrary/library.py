"""The Robot library: its import arguments, its keyword classes, and the one gate through which all keywords go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot.api.deco import library
from robot.errors import TimeoutExceeded
from robotlibcore import DynamicCore, PluginParser

from .client.console import Console
from .errors import FailureClass, JumpstarterError, UsageError
from .journal import KeywordEnded, KeywordStarted
from .keywords import (
    ConnectionKeywords,
    ConsoleCommandKeywords,
    ConsoleKeywords,
    ConsoleWaitingKeywords,
    ConsoleWatchingKeywords,
    DescriptionKeywords,
    DriverKeywords,
    EvidenceKeywords,
    FileFactKeywords,
    FileKeywords,
    LeaseKeywords,
    MeasurementKeywords,
    NetworkKeywords,
    PowerKeywords,
    PowerRecordingKeywords,
    ServerKeywords,
    SessionKeywords,
    SettingKeywords,
    ShellKeywords,
    SSHKeywords,
    StorageKeywords,
    TransferKeywords,
    UBootKeywords,
    UpstreamKeywords,
    VideoKeywords,
)
from .keywords.base import KeywordGroup
from .lifecycle import Lifecycle
from .report.console_log import write_new_output
from .report.failing import Failing
from .report.health import Health
from .report.measuring import Measurements
from .report.robot_log import write_new_events
from .retry import Retry, Retrying
from .sessions import DeviceSession, Sessions, session_timeout
from .settings import AutoClose, Settings
from .version import __version__

if TYPE_CHECKING:

    class _Keywords(
        ConnectionKeywords,
        ConsoleCommandKeywords,
        ConsoleKeywords,
        ConsoleWaitingKeywords,
        ConsoleWatchingKeywords,
        DescriptionKeywords,
        DriverKeywords,
        EvidenceKeywords,
        FileFactKeywords,
        FileKeywords,
        LeaseKeywords,
        MeasurementKeywords,
        NetworkKeywords,
        PowerKeywords,
        PowerRecordingKeywords,
        SSHKeywords,
        ServerKeywords,
        SessionKeywords,
        SettingKeywords,
        ShellKeywords,
        StorageKeywords,
        TransferKeywords,
        UBootKeywords,
        UpstreamKeywords,
        VideoKeywords,
    ):
        """What type checkers see: every keyword with its signature. At run time they come from components."""

        session: DeviceSession
else:
    _Keywords = DynamicCore


@library(scope="GLOBAL", version=__version__, doc_format="MARKDOWN", auto_keywords=False)
class JumpstarterLibrary(_Keywords):
    """Keywords for real devices behind [Jumpstarter](https://jumpstarter.dev)."""

    def __init__(  # noqa: PLR0917 - as people write them in Library lines
        self,
        timeout: timedelta = timedelta(seconds=30),
        auto_close: AutoClose = AutoClose.SUITE,
        default_driver: str = "",
        plugins: str | list[str] | None = None,
        description: str | list[str] | None = None,
        evidence: timedelta | None = timedelta(seconds=10),
        retry: Retry = Retry.NONE,
        retries: int = 1,
        health: Path | None = None,
    ) -> None:
        """Stores its arguments; nothing is connected before [Open Jumpstarter Session].

        Args:
            timeout: How long a keyword may take unless it says otherwise.
            auto_close: When sessions are closed that no keyword closed: with the `TEST` or the `SUITE` that opened them, at the
                end of the run (`MANUAL`), or not at all (`KEEP`).
            default_driver: Path at or below which drivers are looked for when none is named.
            plugins: Keyword classes of your own, as for other libraries: `module.Class`, separated by commas. They derive from
                `JumpstarterLibrary.keywords.base.KeywordGroup`.
            description: File of [Save Device Description], or several, separated by commas. With it `robot --dryrun` checks
                drivers and methods without a device. It has no effect on a run.
            evidence: How long gathering evidence of a failed test may take; `NONE` for none. See [Whose failure it is].
            retry: `INFRASTRUCTURE` repeats tests that the lab broke; each attempt stays in the log.
            retries: How often each of them is repeated at most.
            health: File of the lab's health, to which each test adds a line for each exporter that it had.
        """
        self.settings = Settings(session_timeout(timeout))
        self.auto_close = auto_close
        self.default_driver = default_driver
        self.sessions = Sessions()
        self.measurements = Measurements()
        self.failing = Failing(self.sessions, evidence)
        self.retrying = Retrying(self, retry, retries)
        self.health = None if health is None else Health(health, self.sessions.redact)
        self.lifecycle = Lifecycle(self)
        self.ROBOT_LIBRARY_LISTENER: list[object] = [self.lifecycle]
        if description:
            from .report.dry_run import dry_run_check  # late, as few runs are dry

            self.ROBOT_LIBRARY_LISTENER.append(dry_run_check(self, description, default_driver))
        components: list[KeywordGroup] = [
            SessionKeywords(self),
            LeaseKeywords(self),
            PowerKeywords(self),
            PowerRecordingKeywords(self),
            ConsoleKeywords(self),
            ConsoleCommandKeywords(self),
            ConsoleWaitingKeywords(self),
            ConsoleWatchingKeywords(self),
            DriverKeywords(self),
            StorageKeywords(self),
            FileKeywords(self),
            FileFactKeywords(self),
            ServerKeywords(self),
            TransferKeywords(self),
            NetworkKeywords(self),
            ConnectionKeywords(self),
            SSHKeywords(self),
            ShellKeywords(self),
            UBootKeywords(self),
            VideoKeywords(self),
            UpstreamKeywords(self),
            MeasurementKeywords(self),
            EvidenceKeywords(self),
            DescriptionKeywords(self),
            SettingKeywords(self),
        ]
        components += PluginParser(KeywordGroup, [self]).parse_plugins(plugins or [])
        DynamicCore.__init__(self, components)

    def get_keyword_documentation(self, name: str) -> str:
        """Returns a keyword's documentation; the introduction is a file of its own."""
        if name == "__intro__":
            return (Path(__file__).parent / "introduction.md").read_text(encoding="utf-8")
        documentation: str = DynamicCore.get_keyword_documentation(self, name)
        return documentation

    def run_keyword(self, name: str, args: list[Any], kwargs: dict[str, Any] | None = None) -> Any:
        """Runs a keyword; before and after it, writes down what happened and shows what the exporter said."""
        __tracebackhide__ = True
        before = list(self.sessions)
        # Also those that the keyword closes: what they said last is shown, and what it hit fails the keyword.
        consoles = {session: list(session.device.consoles.values()) for session in before}
        for session in before:
            write_new_events(session, self.sessions.redact)
            session.journal.append(KeywordStarted(name=name))
        began = KeywordStarted(name=name)
        self.sessions.prologue = lambda: [*self.lifecycle.under_way(), began]
        status = "FAIL"
        try:
            result = DynamicCore.run_keyword(self, name, args, kwargs)
            # Only now, and not before: a Power Off in a teardown has to happen, whatever the device said.
            self._check_watchers(consoles)
            self.lifecycle.skipping.check_opened()
            status = "PASS"
            return result
        except JumpstarterError as error:
            # The first word says who has to look: the device's people, the lab's, or the test's author.
            error.args = (f"{error.failure_class.value}: {self.sessions.redact(str(error))}", *error.args[1:])
            self.failing.note(name, error)
            raise error.with_traceback(None) from None
        except TimeoutExceeded as error:
            self.failing.note(name, error)
            raise
        except Exception as error:
            if not of_assertion(error):
                self.failing.note(name, error, ours=self._is_ours(name))
                raise
            text = self.sessions.redact(str(error))
            if isinstance(error, AssertionError):  # what was measured or read is not what was expected
                raise AssertionError(f"{FailureClass.DEVICE.value}: {text}") from None  # noqa: TRY004 - whose failure it is counts
            raise UsageError(f"{FailureClass.TEST.value}: {text}") from None
        finally:
            for session in dict.fromkeys([*before, *self.sessions]):
                if session not in before:
                    self.take_over(session)
                session.gather_logs()
                write_new_events(session, self.sessions.redact)
                shown = dict.fromkeys([*consoles.get(session, []), *session.device.consoles.values()])
                write_new_output(session, shown, self.sessions.redact)
                session.journal.append(KeywordEnded(name=name, status=status))

    def take_over(self, session: DeviceSession) -> None:
        """Looks after a session that was opened."""
        session.owner = self.lifecycle.owner
        self.measurements.follow(session)
        self.failing.see(session)
        if self.lifecycle.test:
            session.start_test(*self.lifecycle.test)

    def _is_ours(self, name: str) -> bool:
        """Whether a keyword is of this package, and not of a plugin."""
        keywords: dict[str, Any] = getattr(self, "keywords")  # noqa: B009 - of DynamicCore, which type checkers do not see
        return str(keywords[name].__module__).partition(".")[0] == __package__

    def _check_watchers(self, before: dict[DeviceSession, list[Console]]) -> None:
        now = [console for session in self.sessions for console in session.device.consoles.values()]
        for console in dict.fromkeys([*(one for consoles in before.values() for one in consoles), *now]):
            console.check_watchers()


def of_assertion(error: BaseException) -> bool:
    """Whether an error comes from the comparing of an assertion: an operator or a value that does not fit."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "assertionengine":
            return True
        trace = trace.tb_next
    return False
