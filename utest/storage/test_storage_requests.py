"""Images that the exporter fetches itself: nothing secret of the request turns up anywhere, whatever the driver says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lying_drivers import LyingFlasher

from JumpstarterLibrary.client import Device, FlasherClient
from JumpstarterLibrary.errors import DriverError
from JumpstarterLibrary.exporter import export
from JumpstarterLibrary.wire.web import request_secrets

URL = "https://lab:p%40ssw0rd-of-it@images.test/x/card.img?version=3&X-Signature=s1gnature-of-it"
HEADERS = {"Authorization": "Bearer b3arer-of-it", "X-Key": "k3y-of-it", "Accept": "application/octet-stream"}
SECRETS = ("p%40ssw0rd-of-it", "p@ssw0rd-of-it", "s1gnature-of-it", "b3arer-of-it", "k3y-of-it")


class TalkativeFlasher(LyingFlasher):
    """Says all that it knows when it fails, as web clients do."""

    asked: Any = None

    @export
    async def flash(self, source: object, target: str | None = None) -> None:
        self.asked = source
        raise RuntimeError(f"cannot fetch {source} with p@ssw0rd-of-it")


def test_no_secret_gets_into_errors_and_journals(serve: Callable[..., Device]) -> None:
    driver = TalkativeFlasher()
    device = serve(driver)

    with pytest.raises(DriverError, match=r"images\.test/x/card\.img") as caught:
        device.driver_of(FlasherClient).flash_by_exporter(URL, headers=HEADERS)

    assert driver.asked["url"] == URL, "the driver has to know them"
    assert driver.asked["headers"] == HEADERS
    for secret in SECRETS:
        assert secret not in str(caught.value)
        assert not [event for event in device.journal.events() if secret in repr(event)]


@pytest.mark.parametrize(
    ("url", "headers", "found"),
    [
        ("https://host/image", {}, []),
        ("https://host/image?version=3", {"Accept": "application/octet-stream"}, ["version=3"]),
        ("https://u:abc@host/image", {}, ["u:abc", "abc"]),
        ("https://host/image?a=123456%2F8", {}, ["a=123456%2F8", "123456%2F8", "a=123456/8", "123456/8"]),
        ("https://host/image", {"authorization": "Basic dXNlcjpwYXNz"}, ["Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"]),
    ],
)
def test_what_may_be_secret(url: str, headers: dict[str, str], found: list[str]) -> None:
    assert request_secrets(url, headers) == found
