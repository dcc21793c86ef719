"""Changing the library's settings while a suite runs."""

from __future__ import annotations

from datetime import timedelta

from ..sessions import session_timeout
from .base import KeywordGroup, Scope, Tag, keyword


class SettingKeywords(KeywordGroup):
    """Keywords for settings."""

    @keyword(tags=[Tag.SETTING])
    def set_jumpstarter_timeout(self, timeout: timedelta, scope: Scope = Scope.Suite) -> timedelta:
        """Sets how long keywords may take that are given no `timeout` of their own.

        Args:
            timeout: Robot time, such as `10s` or `2 minutes`; longer than nothing.
            scope: How long it holds: `Test`, `Suite` or `Global`.

        Returns:
            The timeout that held before, to set it back.

        ```robotframework
        *** Test Cases ***
        Example
            ${before} =    Set Jumpstarter Timeout    10s
            Set Jumpstarter Timeout    ${before}
        ```
        """
        return self.library.settings.set_timeout(session_timeout(timeout), scope)
