"""What is masked of the arguments of Login To Console because of its place, before the keyword runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from JumpstarterLibrary.report.masking import mask_arguments
from JumpstarterLibrary.wire.secrets import MASK, Redactor


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("root", "sesame"), ("root", MASK)),
        (("root", "sesame", "timeout=5s"), ("root", MASK, "timeout=5s")),
        (("root", "timeout=5s", "password=sesame"), ("root", "timeout=5s", f"password={MASK}")),
        (("prompt=me>", "password=sesame", "username=root"), ("prompt=me>", f"password={MASK}", "username=root")),
        (("root", "password_prompt=Kennwort:"), ("root", "password_prompt=Kennwort:")),
        (("root", "a=sesame"), ("root", MASK)),
        (("root", "${PASSWORD}"), ("root", "${PASSWORD}")),
        (("root", "password=${PASSWORD}"), ("root", "password=${PASSWORD}")),
        (("root", "root"), ("root", "root")),
        (("username=root", "password=root"), ("username=root", "password=root")),
        (("root",), ("root",)),
    ],
)
def test_only_the_password_of_a_login_is_masked_wherever_it_stands(arguments: tuple[str, ...], shown: tuple[str, ...]) -> None:
    redact = Redactor()
    result = SimpleNamespace(name="JumpstarterLibrary.Login To Console", args=arguments)
    mask_arguments(result, redact)
    assert result.args == shown
    password = next((one for one in arguments if one.endswith("sesame")), "").removeprefix("password=")
    assert redact.known() == ([password] if password else [])
