"""Every error this package raises on purpose: one root, one failure class each.

The first line of a message says what was attempted on which driver of which device, what happened, and what to do.
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "AccessDeniedError",
    "CallTimeoutError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ConsoleError",
    "ConsoleLostError",
    "ConsoleTimeoutError",
    "ConsoleWatcherError",
    "ControllerError",
    "DriverAttributeError",
    "DriverError",
    "DriverInvalidArgumentError",
    "DriverMethodNotFoundError",
    "DriverNotFoundError",
    "DriverNotSupportedError",
    "DriverTimeoutError",
    "ExporterNotReadyError",
    "FailureClass",
    "HookFailedError",
    "InfrastructureError",
    "JumpstarterError",
    "LeaseError",
    "LeaseLostError",
    "LeaseTimeoutError",
    "LeaseUnsatisfiableError",
    "MeasurementError",
    "NoTargetError",
    "PassphraseError",
    "RemoteFileNotFoundError",
    "SessionClosedError",
    "SessionLostError",
    "TokenError",
    "TransferMismatchError",
    "UnknownAliasError",
    "UsageError",
    "ValueNotSendableError",
    "WrongArgumentsError",
]


class FailureClass(Enum):
    """Who has to look at a failure."""

    TEST = "TEST"
    """The test asked for something wrong."""
    DEVICE = "DEVICE"
    """The device, or the driver that stands for it, said no."""
    INFRASTRUCTURE = "INFRASTRUCTURE"
    """The lab between test and device broke."""
    CONFIGURATION = "CONFIGURATION"
    """A target, file, name or setting is wrong."""
    LIBRARY = "LIBRARY"
    """A defect of this library: please report it."""


class JumpstarterError(Exception):
    """Root of all errors of this package; catch it to catch them all."""

    ROBOT_SUPPRESS_NAME = True
    failure_class = FailureClass.LIBRARY

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class ConfigurationError(JumpstarterError):
    """A target, file, name or setting is wrong."""

    failure_class = FailureClass.CONFIGURATION


class NoTargetError(ConfigurationError):
    """Nothing says where the device is."""


class DriverNotFoundError(ConfigurationError):
    """The driver tree has no such driver, or several where one was meant."""


class DriverAttributeError(DriverNotFoundError, AttributeError):
    """Neither a child nor a method of a driver's client has this name."""


class PassphraseError(ConfigurationError):
    """The exporter refused the passphrase, or wants one (`UNAUTHENTICATED`, protocol §6.4)."""


class TokenError(ConfigurationError):
    """The lab's controller wants a token, or another one, or a newer one (protocol §8.11)."""


class AccessDeniedError(ConfigurationError):
    """The lab's controller knows the client and does not let it do this."""


class LeaseUnsatisfiableError(ConfigurationError):
    """No exporter will ever fit what the lease asks for (protocol §8.4)."""


class UsageError(JumpstarterError):
    """The test asked for something that cannot be."""

    failure_class = FailureClass.TEST


class UnknownAliasError(UsageError):
    """No session is open, or none has this alias."""


class ValueNotSendableError(UsageError, ValueError):
    """A value would reach the other side altered, or not at all (protocol §3.1)."""


class DriverMethodNotFoundError(UsageError):
    """The driver has no such method, or it is of the other kind (`NOT_FOUND`, protocol §3.3)."""


class WrongArgumentsError(UsageError, TypeError):
    """The driver's method takes more or fewer arguments."""


class SessionClosedError(UsageError):
    """The session was closed before this call."""


class DriverError(JumpstarterError):
    """The driver raised an error, or the device behind it failed (protocol §3.3)."""

    failure_class = FailureClass.DEVICE


class DriverInvalidArgumentError(DriverError, ValueError):
    """The driver refused a value (`INVALID_ARGUMENT`)."""


class DriverNotSupportedError(DriverError, NotImplementedError):
    """The driver says that it cannot do this (`UNIMPLEMENTED`)."""


class TransferMismatchError(DriverError):
    """What arrived is not what was sent, or not what was expected."""


class RemoteFileMismatchError(DriverError, AssertionError):
    """A store has a file that it should not have, has none that it should have, or one with another content."""


class RemoteFileNotFoundError(DriverError):
    """A file store of the device has no such file or directory."""


class DriverTimeoutError(DriverError, TimeoutError):
    """Time ran out inside the driver, or the driver did not answer while its exporter did."""


class MeasurementError(JumpstarterError):
    """What was measured is outside its limit, or worse than it was."""

    failure_class = FailureClass.DEVICE


class ConsoleError(DriverError):
    """The device said what it should not, or not what it should."""


class ConsoleTimeoutError(ConsoleError, TimeoutError):
    """The device did not say in time what was waited for."""


class ConsoleWatcherError(ConsoleError):
    """The device said what a watcher looks for."""


class InfrastructureError(JumpstarterError):
    """The lab between test and device broke."""

    failure_class = FailureClass.INFRASTRUCTURE


class ConnectionFailedError(InfrastructureError):
    """The exporter could not be reached."""


class SessionLostError(InfrastructureError):
    """The connection to the exporter broke while the session was open."""


class CallTimeoutError(InfrastructureError, TimeoutError):
    """The exporter did not answer in time."""


class ConsoleLostError(InfrastructureError, TimeoutError):
    """The stream of a console is broken, so nobody knows what the device said."""


class ExporterNotReadyError(InfrastructureError):
    """The exporter's status does not allow driver calls (`FAILED_PRECONDITION`, protocol §5.1)."""


class ControllerError(InfrastructureError):
    """The lab's controller cannot be reached, or answered with an error of its own."""


class LeaseError(InfrastructureError):
    """A lease could not be had, or came to an end."""


class LeaseTimeoutError(LeaseError, TimeoutError):
    """No exporter became free in time."""


class HookFailedError(LeaseError):
    """The exporter's hook failed, so the lease is of no use (protocol §5.3)."""


class LeaseLostError(SessionLostError):
    """The lease ended while its session was open: it expired, or somebody released, deleted or transferred it."""
