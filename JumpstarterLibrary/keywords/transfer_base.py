"""What keywords that transfer files share: a progress bar on the terminal, and a line in the log."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from robot.api import logger
from robot.api.types import Secret

from ..client.resources import Transfer
from ..report.progress import ProgressBar, progress_bar
from ..report.transfers import describe
from ..wire.web import secret_pieces
from .base import KeywordGroup


class TransferGroup(KeywordGroup):
    """Base of the keyword classes that transfer files."""

    def progress(self, title: str) -> AbstractContextManager[ProgressBar]:
        """A bar on the terminal while the block runs, if the transfer takes a while; it is what transfers take as `progress`."""
        return progress_bar(self.library.sessions.redact(title))

    def report(self, transfer: Transfer, what: str = "") -> Transfer:
        """Writes the line of a transfer into the log: name, size, time, rate and SHA-256.

        Args:
            transfer: what was transferred.
            what: stands before it, such as the target.
        """
        line = f"{what}: {describe(transfer)}" if what else describe(transfer)
        logger.info(self.library.sessions.redact(line))
        return transfer

    def revealed(self, source: str | Path | Secret) -> str | Path:
        """A file or web address as it is; a secret one is masked wherever it turns up from now on."""
        if not isinstance(source, Secret):
            return source
        text = self.reveal(source) or ""
        for piece in secret_pieces(text):
            self.reveal(piece)
        return text
