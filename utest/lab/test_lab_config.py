"""Client configurations: where each value comes from, what is refused, and that no token shows."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.lab.configuration import ClientConfiguration, load_configuration

TOKEN = "top-secret-token-4711"
PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CA = base64.b64encode(PEM).decode()
FULL = f"""\
apiVersion: jumpstarter.dev/v1alpha1
kind: ClientConfig
metadata: {{namespace: lab-west, name: ci-runner-7}}
endpoint: grpc.lab-west.example:443
token: {TOKEN}
tls: {{ca: "{CA}", insecure: false}}
drivers:
  allow: ["jumpstarter_driver_*"]
leases: {{acquisition_timeout: 900, dial_timeout: 12.5, retry_timeout: 120}}
shell: {{use_profiles: true}}
somethingNew: {{from: the future}}
"""
ENVIRONMENT = {
    "JMP_NAMESPACE": "env-space",
    "JMP_NAME": "env-name",
    "JMP_ENDPOINT": "env.example:8082",
    "JMP_TOKEN": "token-of-the-environment",
    "JMP_TLS": json.dumps({"insecure": True}),
    "JMP_LEASES": json.dumps({"acquisition_timeout": 60}),
    "JMP_DRIVERS_ALLOW": "a.*,b.*",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for configurations."""
    (tmp_path / "clients").mkdir()
    return tmp_path


def written(home: Path, text: str, alias: str = "ci") -> Path:
    path = home / "clients" / f"{alias}.yaml"
    path.write_text(text)
    return path


def load(home: Path, wanted: str | Path | None = None, **environment: str) -> ClientConfiguration:
    return load_configuration(wanted, {"JMP_CLIENT_CONFIG_HOME": str(home), **environment})


def test_a_file_gives_everything_and_each_value_says_where_it_stands(home: Path) -> None:
    path = written(home, FULL)

    found = load(home, path)

    assert (found.namespace, found.name, str(found.endpoint)) == ("lab-west", "ci-runner-7", "grpc.lab-west.example:443")
    assert found.token.reveal() == TOKEN
    assert (found.tls.ca, found.tls.insecure) == (PEM, False)
    assert (found.allow, found.unsafe) == (("jumpstarter_driver_*",), False)
    assert (found.acquisition_timeout, found.dial_timeout) == (900, 12.5)
    assert found.origins["endpoint"] == f"{path}:4"
    assert found.origins["metadata.name"] == f"{path}:3"
    assert f"endpoint = grpc.lab-west.example:443  ({path}:4)" in found.describe()


def test_the_environment_fills_only_what_the_file_lacks(home: Path) -> None:
    path = written(home, FULL.replace("endpoint: grpc.lab-west.example:443\n", "").replace("acquisition_timeout: 900, ", ""))

    found = load(home, path, **ENVIRONMENT)

    assert found.name == "ci-runner-7"
    assert found.token.reveal() == TOKEN
    assert (str(found.endpoint), found.origins["endpoint"]) == ("env.example:8082", "JMP_ENDPOINT")
    assert (found.acquisition_timeout, found.origins["leases.acquisition_timeout"]) == (60, "JMP_LEASES")
    assert found.tls.insecure is False
    assert found.allow == ("jumpstarter_driver_*",)


def test_the_environment_alone_is_enough(home: Path) -> None:
    found = load(home, **ENVIRONMENT)

    assert (found.namespace, found.name, str(found.endpoint)) == ("env-space", "env-name", "env.example:8082")
    assert found.token.reveal() == "token-of-the-environment"
    assert found.tls.insecure is True
    assert found.allow == ("a.*", "b.*")
    assert found.origins["token"] == "JMP_TOKEN"


def test_the_environment_alone_says_what_it_lacks(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="the environment has no JMP_TOKEN, and token is missing"):
        load(home, **{**ENVIRONMENT, "JMP_TOKEN": ""})


def test_the_current_client_is_taken_when_nobody_names_one(home: Path) -> None:
    written(home, FULL)
    (home / "config.yaml").write_text("apiVersion: jumpstarter.dev/v1alpha1\nkind: UserConfig\nconfig:\n  current-client: ci\n")

    assert load(home).name == "ci-runner-7"


def test_a_named_client_wins_over_the_environment_and_the_current_one(home: Path) -> None:
    written(home, FULL)
    written(home, FULL.replace("ci-runner-7", "other"), "other.lab")
    (home / "config.yaml").write_text("kind: UserConfig\nconfig: {current-client: ci}\n")

    assert load(home, "other", **ENVIRONMENT).name == "other"


def test_the_folder_is_xdgs_unless_told_otherwise(tmp_path: Path) -> None:
    clients = tmp_path / "jumpstarter" / "clients"
    clients.mkdir(parents=True)
    (clients / "ci.yaml").write_text(FULL)

    assert load_configuration("ci", {"XDG_CONFIG_HOME": str(tmp_path)}).name == "ci-runner-7"


@pytest.mark.parametrize("variable", ["JMP_GRPC_INSECURE", "JUMPSTARTER_GRPC_INSECURE"])
def test_insecure_by_variable(home: Path, variable: str) -> None:
    found = load(home, written(home, FULL), **{variable: "1"})

    assert found.tls.insecure
    assert found.origins["tls"] == variable


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("kind: ClientConfig", "kind: ExporterConfig", ":2: kind: expected ClientConfig, not ExporterConfig"),
        ("v1alpha1", "v2", ":1: apiVersion: expected jumpstarter.dev/v1alpha1, not jumpstarter.dev/v2"),
        ("name: ci-runner-7", "name: 7", ":3: metadata.name: expected text, not the number 7"),
        (", name: ci-runner-7", "", "metadata.name is missing: add it, or set JMP_NAME."),
        ("example:443", "example", ":4: endpoint: 'grpc.lab-west.example' is not an address"),
        ("grpc.lab-west.example:443", "/run/socket", ":4: endpoint: "),
        (CA, "not base64!", ":6: tls.ca: expected a PEM bundle of certificates in base64"),
        (CA, base64.b64encode(b"hello").decode(), ":6: tls.ca: expected a PEM bundle"),
        ("insecure: false", "insecure: perhaps", ":6: tls.insecure: expected true or false, not 'perhaps'"),
        ("acquisition_timeout: 900", "acquisition_timeout: 1", ":9: leases.acquisition_timeout: at least 5 seconds, not 1"),
        ("acquisition_timeout: 900", "acquisition_timeout: long", ":9: leases.acquisition_timeout: expected a number"),
        ('["jumpstarter_driver_*"]', "[1]", ":8: drivers.allow: expected a list of texts"),
        ("metadata: {", "metadata: [", "not YAML"),
        (f"token: {TOKEN}\n", "", "token is missing: add it, or set JMP_TOKEN."),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(home: Path, before: str, after: str, expected: str) -> None:
    assert before in FULL
    path = written(home, FULL.replace(before, after, 1))

    with pytest.raises(ConfigurationError) as raised:
        load(home, path)

    assert expected in str(raised.value)
    assert str(path) in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_a_token_that_is_no_text_is_not_shown(home: Path) -> None:
    path = written(home, FULL.replace(TOKEN, "123456789"))

    with pytest.raises(ConfigurationError, match=":5: token: expected text; put it in quotes") as raised:
        load(home, path)

    assert "123456789" not in str(raised.value)


LITERAL = f"""token: |

  {TOKEN}

"""


@pytest.mark.parametrize("given", [LITERAL, f"token: '  {TOKEN}\t'\n", f'token: "{TOKEN}\\r\\n"\n'])
def test_blanks_and_line_ends_around_a_token_are_no_part_of_it(home: Path, given: str) -> None:
    found = load(home, written(home, FULL.replace(f"token: {TOKEN}\n", given) + "refresh_token: |\n  refreshing\n"))

    assert found.token.reveal() == TOKEN
    assert found.refresh_token is not None
    assert found.refresh_token.reveal() == "refreshing"
    assert load(home, **{**ENVIRONMENT, "JMP_TOKEN": f"{TOKEN}\n"}).token.reveal() == TOKEN


@pytest.mark.parametrize("inside", ["\n", "\t", "\x00", "\x7f", "\u00e4", "\u00a0", "\u200b", "\udcff"])
def test_a_token_with_characters_that_no_header_takes_is_refused_and_not_shown(home: Path, inside: str) -> None:
    token = f"half{inside}other"
    places: dict[str, Path | None] = {"JMP_TOKEN:1: token: ": None}
    if inside != "\udcff":  # bytes of a variable that are no text; a file has none
        path = written(home, FULL.replace(TOKEN, json.dumps(token)))
        places[f"{path}:5: token: "] = path

    for where, wanted in places.items():
        with pytest.raises(ConfigurationError) as raised:
            load(home, wanted, **{**ENVIRONMENT, "JMP_TOKEN": token})

        assert where in str(raised.value)
        assert "printable ASCII" in str(raised.value)
        assert "half" not in str(raised.value)


def test_no_token_shows_anywhere(home: Path) -> None:
    found = load(home, written(home, FULL + "refresh_token: refresh-secret-42\n"))

    for text in (repr(found), str(found), found.describe()):
        assert TOKEN not in text
        assert "refresh-secret-42" not in text


def test_an_unknown_alias_lists_the_known_ones(home: Path) -> None:
    written(home, FULL)

    with pytest.raises(ConfigurationError, match=r"no client configuration 'co'.*there are: ci.*jmp login"):
        load(home, "co")


@pytest.mark.parametrize("text", ["kind: UserConfig\n", "kind: UserConfig\nconfig: {current-client: null}\n"])
def test_no_current_client_is_an_error_with_the_ways(home: Path, text: str) -> None:
    (home / "config.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match=r"has no current-client.*client_config=.*jmp login.*JMP_NAMESPACE"):
        load(home)


def test_a_current_client_whose_file_is_gone_is_named_with_its_line(home: Path) -> None:
    (home / "config.yaml").write_text("kind: UserConfig\nconfig:\n  current-client: gone\n")

    with pytest.raises(ConfigurationError, match=r"config\.yaml:3: config\.current-client: .*'gone'"):
        load(home)


def test_variables_that_only_upstreams_documentation_knows_are_noted(home: Path) -> None:
    found = load(home, written(home, FULL), JMP_CLIENT_CONFIG="elsewhere.yaml")

    assert "JMP_CLIENT_CONFIG is set and has no effect" in found.describe()
