"""Taking pictures of what the device shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.utils import DotDict

from ..client.video import VideoClient
from ..report.snapshots import picture_block, save
from .base import KeywordGroup, Tag, keyword


class VideoKeywords(KeywordGroup):
    """Keywords for cameras and grabbed screens."""

    @keyword(tags=[Tag.VIDEO])
    def take_snapshot(self, path: Path | None = None, *, driver: str | None = None, timeout: timedelta | None = None) -> Path:
        """Takes a picture, keeps it as a file and shows it in the log.

        Pictures up to 128 KiB stand in log.html itself; larger ones are linked to. The file has what the driver sent, unchanged.

        Args:
            path: The file, relative to `${OUTPUT DIR}`; a name without a picture's ending gets that of its type. Unless given, a
                new file in `${OUTPUT DIR}/jumpstarter`, named after session and driver.
            driver: Path of the video driver; see [Choosing a driver].
            timeout: How long the picture may take; the library's timeout unless given.

        Returns:
            The path of the file.

        Raises:
            DEVICE: the driver sent no picture, or a part of one.
            CONFIGURATION: the file cannot be written.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            ${picture} =    Take Snapshot
            Should Not Be Empty    ${{ $picture.read_bytes() }}
        ```
        """
        client = self.driver(VideoClient, driver)
        snapshot = client.snapshot(timeout=timeout)
        alias = self.session.alias
        file = save(snapshot, f"{alias}-{client.path or 'video'}", path)
        caption = f"{client.path or 'the camera'} of {alias}"
        logger.info(picture_block(snapshot, file, caption), html=True)
        return file

    @keyword(tags=[Tag.VIDEO, Tag.GETTER])
    def get_video_state(self, *, driver: str | None = None, timeout: timedelta | None = None) -> DotDict:
        """Returns whether a camera has a signal, and how large its picture is.

        Args:
            driver: Path of the video driver; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        Returns:
            A dictionary with `online`, `width` and `height` in dots, and `fps`, the pictures a second that are captured.

        Raises:
            DEVICE: the driver sent something else.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${state} =    Get Video State
            Should Not Be True    ${state.online}
        ```
        """
        state = self.driver(VideoClient, driver).state(timeout=timeout)
        found = DotDict(online=state.online, width=state.width, height=state.height, fps=state.fps)
        logger.info(
            f"{'online' if state.online else 'no signal'}, {state.width} by {state.height}, {state.fps} pictures a second"
        )
        return found
