"""`python -m JumpstarterLibrary.exporter TARGET`: serves a device until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from ..drivers.targets import is_configuration, root_device_for
from ..errors import ConfigurationError, JumpstarterError
from ..wire.address import Address
from .config import load_exporter
from .session import ServerTls, Session

PASSPHRASE_VARIABLE = "JMP_GRPC_PASSPHRASE"  # noqa: S105 - the name of the variable, not a passphrase
EXIT_ERROR = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message} (--help tells more)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    try:
        options = _parser().parse_args(arguments)
        with _stop_signals() as stop, _session(options.target) as session, _serve(session, options) as lines:
            print("\n".join(lines), flush=True)  # noqa: T201 - what the command is for
            stop.wait()
    except JumpstarterError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)  # noqa: T201 - a command's error
        return EXIT_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m JumpstarterLibrary.exporter",
        description="Serves a device until Ctrl-C, and prints the line that sets JUMPSTARTER_HOST.",
    )
    parser.add_argument("target", help="mock, mock:power, or the path of an exporter configuration (.yaml)")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="a TCP address; port 0 takes a free one. A private Unix socket unless given"
    )
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        type=Path,
        help=f"file with the passphrase that clients have to send; the variable {PASSPHRASE_VARIABLE} unless given",
    )
    parser.add_argument("--tls-cert", metavar="FILE", type=Path, help="certificate chain, PEM")
    parser.add_argument("--tls-key", metavar="FILE", type=Path, help="private key, PEM")
    parser.add_argument(
        "--allow-unprotected",
        action="store_true",
        help="allow an address beyond this machine without TLS and passphrase: whoever reaches it commands the device",
    )
    return parser


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Gives the event that Ctrl-C or SIGTERM sets. A second one ends the process at once."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def on_signal(number: int, frame: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_DFL)
        stop.set()

    before = {each: signal.signal(each, on_signal) for each in signals}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _session(target: str) -> Session:
    if not is_configuration(target):
        return Session(root_device=root_device_for(target))
    config = load_exporter(target)
    for note in config.notes:
        print("note:", note, file=sys.stderr)  # noqa: T201 - a command's note
    return Session(root_device=config.root, labels=config.labels)


@contextmanager
def _serve(session: Session, options: argparse.Namespace) -> Iterator[list[str]]:
    """Serves as the options say; gives the lines that tell how to get there."""
    passphrase = _passphrase(options.passphrase_file)
    tls = _tls(options.tls_cert, options.tls_key)
    secret = [f"# {PASSPHRASE_VARIABLE} must hold the passphrase, too."] if passphrase is not None else []
    if options.listen is None:
        if tls:
            raise ConfigurationError("--tls-cert and --tls-key go with --listen: a Unix socket has no TLS.")
        with session.serve_unix(passphrase=passphrase) as path:
            yield [f"export JUMPSTARTER_HOST={shlex.quote(path)}", *secret]
        return
    wanted = _address(options.listen)
    with session.serve_tcp(
        wanted.host, wanted.port, tls=tls, passphrase=passphrase, allow_unprotected=options.allow_unprotected
    ) as address:
        plaintext = [] if tls else ["export JMP_GRPC_INSECURE=1"]
        yield [f"export JUMPSTARTER_HOST={shlex.quote(address)}", *plaintext, *secret, *_elsewhere(wanted)]


def _elsewhere(address: Address) -> list[str]:
    if address.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return []
    return [f"# On other machines put this machine's name in the place of {address.host}."]


def _address(text: str) -> Address:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:/\[\]]+)):(\d{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ConfigurationError(f"'{text}' is not an address to listen on: expected host:port or [IPv6]:port.")
    return Address(host=match[1] or match[2], port=int(match[3]))


def _passphrase(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSPHRASE_VARIABLE) or None
    passphrase = _read(file).decode(errors="replace").rstrip("\r\n")
    if not passphrase:
        raise ConfigurationError(f"The passphrase file '{file}' is empty.")
    return passphrase


def _tls(certificate: Path | None, key: Path | None) -> ServerTls | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("--tls-cert and --tls-key go together.")
    return ServerTls(_read(certificate), _read(key))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Cannot read '{file}': {error.strerror}.") from None


if __name__ == "__main__":
    sys.exit(main())
