"""The double is held to the truth: upstream's exporter registers with it, and upstream's client leases through it."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from helpers.lab import Lab
from jumpstarter_protocol import jumpstarter_pb2

pytestmark = pytest.mark.interop

LIMIT = 60
"""Seconds that a command of upstream's may take."""


@pytest.fixture
def config(lab: Lab) -> Path:
    return lab.client_config("ci")


def run(lab: Lab, *arguments: str, config: Path, code: int = 0) -> str:
    """Runs `jmp` to its end, which has to be this; returns its output."""
    process = lab.jmp(*arguments, config=config)
    assert process.wait(LIMIT) == code, process.output
    return process.output


def reported(lab: Lab, exporter: str) -> list[str]:
    """The statuses that an exporter has reported, repetitions left out."""
    found = [request["request"]["status"] for request in lab.requests("ReportStatus") if request["name"] == exporter]
    names = [status.removeprefix("EXPORTER_STATUS_") for status in found]
    return [name for before, name in zip([None, *names], names, strict=False) if name != before]


def methods(lab: Lab, kind: str) -> list[str]:
    found = [request["method"] for request in lab.requests() if request["kind"] == kind]
    return [name for before, name in zip([None, *found], found, strict=False) if name != before]


def test_upstreams_exporters_register_and_are_listed(lab: Lab, config: Path) -> None:
    lab.start_upstream_exporter("west", {"board": "rpi", "zone": "west"}, wait=False)
    lab.start_upstream_exporter("east", {"board": "rpi", "zone": "east"})
    lab.wait_for_status("west", "AVAILABLE")
    assert lab.exporters()["west"]["labels"] == {"board": "rpi", "zone": "west"}
    listed = yaml.safe_load(run(lab, "get", "exporters", "--selector", "zone=west", "--output", "yaml", config=config))
    (exporter,) = listed["exporters"]
    assert (exporter["name"], exporter["labels"]["zone"]) == ("west", "west")
    # The current client does as well as a named one.
    lab.client_config("desk", alias="here", current=True)
    process = lab.jmp("get", "exporters", "--with", "status")
    assert process.wait(LIMIT) == 0, process.output
    assert "AVAILABLE" in process.output
    assert lab.requests("ListExporters")[-1]["name"] == "desk"


def test_upstreams_client_drives_a_power_mock_through_the_tunnel(lab: Lab, config: Path) -> None:
    exporter = lab.start_upstream_exporter("bench", {"board": "rpi"})
    output = run(lab, "shell", "--selector", "board=rpi", "--", "j", "power", "on", config=config)
    assert "acquired" in output
    assert "power on" in exporter.output
    assert lab.leases() == []
    (lease,) = lab.leases(active=False)
    assert lease["conditions"] == [
        {"type": "Ready", "status": "False", "reason": "Released", "message": "The lease was marked for release"}
    ]
    # The order that §8.5 records.
    seen = methods(lab, "Client")
    assert seen[:3] == ["CreateLease", "GetLease", "GetExporter"]
    assert "Dial" in seen
    assert seen[-2:] == ["GetLease", "DeleteLease"]
    lab.wait_for_status("bench", "AVAILABLE")
    assert reported(lab, "bench") == ["AVAILABLE", "LEASE_READY", "AVAILABLE"]


def test_upstreams_client_leases_by_name_or_by_both(lab: Lab, config: Path) -> None:
    for name in ("one", "two"):
        lab.start_upstream_exporter(name, {"board": "rpi"}, wait=False)
    lab.wait_for_status("one", "AVAILABLE")
    lab.wait_for_status("two", "AVAILABLE")
    run(lab, "shell", "--name", "two", "--", "j", "power", "on", config=config)
    run(lab, "shell", "--name", "two", "--selector", "board=rpi", "--", "j", "power", "off", config=config)
    assert [lease["exporter"] for lease in lab.leases(active=False)] == ["two", "two"]
    output = run(lab, "shell", "--name", "two", "--selector", "board=x", "--", "true", config=config, code=1)
    assert "Requested exporter two does not match selector board=x" in " ".join(output.split())


def test_leases_are_made_listed_extended_and_deleted(lab: Lab, config: Path) -> None:
    lab.start_upstream_exporter("bench", {"board": "rpi"})
    made = run(
        lab,
        "create",
        "lease",
        "--selector",
        "board=rpi",
        "--duration",
        "10m",
        "--lease-id",
        "mine",
        "--output",
        "yaml",
        config=config,
    )
    assert "mine" in made
    lab.wait_for(lambda: lab.lease("mine")["exporter"], "an exporter")
    (listed,) = yaml.safe_load(run(lab, "get", "leases", "--output", "yaml", config=config))["leases"]
    assert (listed["name"], listed["client"], listed["exporter"], listed["selector"]) == ("mine", "ci", "bench", "board=rpi")
    assert [each["reason"] for each in listed["conditions"]] == ["Ready"]
    run(lab, "update", "lease", "mine", "--duration", "20m", config=config)
    assert lab.lease("mine")["duration"] == 1200
    # A lease that was given by name is not deleted.
    run(lab, "shell", "--lease", "mine", "--", "j", "power", "on", config=config)
    assert [lease["name"] for lease in lab.leases()] == ["mine"]
    run(lab, "delete", "leases", "mine", config=config)
    lab.wait_until_free()
    begin = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    arguments = ["--selector", "board=rpi", "--duration", "10m", "--begin-time", begin, "--lease-id", "later"]
    run(lab, "create", "lease", *arguments, config=config)
    assert abs(lab.lease("later")["begin_time"] - time.time() - 3600) < 120
    assert lab.lease("later")["conditions"] == []
    listed = run(lab, "get", "leases", "--output", "name", config=config)
    assert "later" in listed
    assert "mine" not in listed


def test_two_clients_compete(lab: Lab, config: Path, tmp_path: Path) -> None:
    lab.start_upstream_exporter("bench", {"board": "rpi"})
    go = tmp_path / "go"
    script = f"j power on; until [ -e {go} ]; do sleep 0.1; done"
    first = lab.jmp("shell", "--selector", "board=rpi", "--", "sh", "-c", script, config=config)
    lab.wait_for_status("bench", "LEASE_READY")
    second = lab.jmp("shell", "--selector", "board=rpi", "--", "j", "power", "off", config=lab.client_config("other"))
    lab.wait_for(lambda: [lease for lease in lab.leases() if lease["client"] == "other" and lease["conditions"]], "the second")
    waiting = next(lease for lease in lab.leases() if lease["client"] == "other")
    assert [each["reason"] for each in waiting["conditions"]] == ["NotAvailable"]
    go.touch()
    assert (first.wait(LIMIT), second.wait(LIMIT)) == (0, 0), first.output + second.output
    assert lab.leases() == []
    assert [lease["client"] for lease in lab.leases(active=False)] == ["ci", "other"]


def test_hooks_of_upstreams_exporter_run_and_end_the_lease(lab: Lab, config: Path) -> None:
    hooks = {
        "beforeLease": {"script": "echo before-$CLIENT_NAME; j power on", "timeout": 20, "onFailure": "endLease"},
        "afterLease": {"script": "echo after; j power off", "timeout": 20, "onFailure": "warn"},
    }
    exporter = lab.start_upstream_exporter("bench", {"board": "rpi"}, hooks=hooks)
    output = run(lab, "shell", "--selector", "board=rpi", "--", "j", "power", "on", config=config)
    assert "before-ci" in output
    assert re.search(r"\bafter\b", output)
    assert exporter.output.index("power on") < exporter.output.index("power off")
    lab.wait_for_status("bench", "AVAILABLE")
    assert reported(lab, "bench") == [
        "AVAILABLE",
        "BEFORE_LEASE_HOOK",
        "LEASE_READY",
        "AFTER_LEASE_HOOK",
        "AVAILABLE",
    ]
    # The client is quicker to release than the exporter, which waits a second.
    assert lab.leases() == []
    assert len(lab.requests("DeleteLease")) == 1
    # A client that only ends the session: the exporter releases.
    raw = lab.raw("ci")
    raw.create("board=rpi", lease_id="mine")
    lab.wait_for_status("bench", "LEASE_READY")
    assert raw.session("mine").EndSession(jumpstarter_pb2.EndSessionRequest(), timeout=20).success
    lab.wait_until_free()
    assert [request["kind"] for request in lab.requests("ReleaseLease")] == ["Exporter"]


@pytest.mark.parametrize(("on_failure", "final"), [("warn", "LEASE_READY"), ("endLease", "BEFORE_LEASE_HOOK_FAILED")])
def test_a_failing_hook_of_upstreams_exporter(lab: Lab, config: Path, on_failure: str, final: str) -> None:
    hooks = {"beforeLease": {"script": "echo bad luck; exit 3", "timeout": 20, "onFailure": on_failure}}
    lab.start_upstream_exporter("bench", {"board": "rpi"}, hooks=hooks)
    raw = lab.raw("ci")
    raw.create("board=rpi", lease_id="mine")

    def statuses() -> list[str]:
        return reported(lab, "bench")

    lab.wait_for(lambda: final in statuses(), final)
    assert statuses()[:3] == ["AVAILABLE", "BEFORE_LEASE_HOOK", final]
    (report,) = [each["request"] for each in lab.requests("ReportStatus") if each["request"]["status"].endswith(final)][:1]
    if on_failure == "warn":
        assert report["message"].startswith("[HOOK_WARNING] ")
        raw.delete("mine")
    lab.wait_until_free()
    lab.wait_for_status("bench", "AVAILABLE")


def test_a_failing_hook_that_ends_upstreams_exporter(lab: Lab, config: Path) -> None:
    hooks = {"beforeLease": {"script": "exit 3", "timeout": 20, "onFailure": "exit"}}
    exporter = lab.start_upstream_exporter("bench", {"board": "rpi"}, hooks=hooks)
    lab.raw("ci").create("board=rpi", lease_id="mine")
    lab.wait_for(lambda: lab.exporters()["bench"]["status"] == "OFFLINE", "OFFLINE")
    # It goes when the lease is over, which it does not end itself.
    assert exporter.returncode is None
    assert [lease["name"] for lease in lab.leases()] == ["mine"]
    lab.release_lease("mine")
    exporter.wait(LIMIT)
    assert not lab.exporters()["bench"]["registered"]


def test_upstreams_exporter_survives_a_controller_that_was_gone(lab: Lab, config: Path) -> None:
    exporter = lab.start_upstream_exporter("bench", {"board": "rpi"})
    lab.controller_down()
    lab.wait_for(lambda: not lab.exporters()["bench"]["watching"], "no Status stream")
    lab.controller_up()
    lab.wait_for_status("bench", "AVAILABLE", process=exporter)
    run(lab, "shell", "--selector", "board=rpi", "--", "j", "power", "on", config=config)


def test_upstreams_exporter_learns_that_its_lease_expired(lab: Lab, config: Path) -> None:
    exporter = lab.start_upstream_exporter("bench", {"board": "rpi"})
    lab.raw("ci").create("board=rpi", lease_id="mine")
    lab.wait_for_status("bench", "LEASE_READY")
    lab.expire_lease("mine")
    lab.wait_for_status("bench", "AVAILABLE")
    exporter.wait_for_output("Session closed", 20)


def test_upstreams_client_understands_what_is_refused(lab: Lab, config: Path) -> None:
    lab.refuse("ListLeases", "PERMISSION_DENIED", "no such luck")
    assert "no such luck" in run(lab, "get", "leases", config=config, code=1)
    output = " ".join(run(lab, "shell", "--selector", "board=none", "--", "true", config=config, code=1).split())
    assert "none of them are approved by any policy for your client" in output
    lab.expire_tokens("ci")
    assert "token is expired" in run(lab, "get", "leases", config=config, code=1).lower()


def test_upstreams_client_and_our_session_meet(lab: Lab, config: Path) -> None:
    lab.start_session_exporter("bench", {"board": "mock"}, after_lease={"output": ["cooling down"]})
    output = run(lab, "shell", "--selector", "board=mock", "--", "j", "power", "on", config=config)
    assert "cooling down" in output
    lab.wait_until_free()
    lab.wait_for_status("bench", "AVAILABLE")
