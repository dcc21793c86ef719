"""Writing down what a device has."""

from __future__ import annotations

from pathlib import Path

from robot.api import logger

from ..report.description import describe, save
from .base import KeywordGroup, Tag, keyword


class DescriptionKeywords(KeywordGroup):
    """Keywords for device descriptions."""

    @keyword(tags=[Tag.DRIVER])
    def save_device_description(self, path: Path) -> str:
        """Writes the device's driver tree to a file, with which `robot --dryrun` checks suites where the device is not.

        The import argument `description` takes the file. `python -m JumpstarterLibrary describe` writes the same.

        Args:
            path: The file, relative to the folder in which `robot` was started.

        Returns:
            The file's full path.

        Raises:
            CONFIGURATION: it cannot be written.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Save Device Description    ${OUTPUT DIR}/board.json
        ```
        """
        session, path = self.session, path.absolute()
        description = describe(session, self.library.sessions.redact)
        save(description, path)
        logger.info(f"{len(description['drivers'])} drivers of '{session.alias}' are described in {path}")
        return str(path)
