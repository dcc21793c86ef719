"""What authors add to the evidence of failed tests."""

from __future__ import annotations

from typing import Any

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn

from ..errors import UsageError
from .base import KeywordGroup, Tag, keyword


class EvidenceKeywords(KeywordGroup):
    """Keywords for evidence."""

    @keyword(tags=[Tag.EVIDENCE])
    def collect_on_failure(self, keyword: str, *arguments: Any) -> None:
        """Runs a keyword when the test fails, before its teardown, and keeps what it returns with the evidence.

        In a suite setup it holds for all tests of the suite, in a test for this test. The keyword runs in what is left of the
        time for evidence (see [Whose failure it is]); what goes wrong in it is noted, and changes no verdict. Where a test has no
        teardown, it runs at the end of the test.

        Args:
            keyword: The keyword. It should return text; what it logs stands in log.html.
            arguments: Its arguments.

        Raises:
            TEST: there is no such keyword.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Collect On Failure    Get Driver Tree
        ```
        """
        try:
            BuiltIn().keyword_should_exist(keyword)
        except AssertionError:  # told now, and not when something else has failed
            raise UsageError(f"Cannot run '{keyword}' when the test fails: there is no keyword of that name.") from None
        self.library.failing.collect(keyword, arguments)
        logger.info(f"If this fails, '{keyword}' is run.")
