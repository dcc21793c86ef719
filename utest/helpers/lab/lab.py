"""The test's side of the lab double: starts it, writes configurations for it, scripts it and asks what it has seen."""

import base64
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from ..exporters import Exporter
from ..processes import Process
from ..programs import script
from .certificates import make_authority
from .control import Control, python
from .raw import Raw
from .scripting import Scripting

NAMESPACE = "lab"
MOCK_POWER = {"power": {"type": "jumpstarter_driver_power.driver.MockPower"}}
"""The `export` section of an exporter with a power mock and nothing else."""


class StubExporter(Exporter):
    """Our session behind the double, in a child process, with a bridge per tunnel to the session's socket."""


class Lab(Scripting):
    """A running lab. Times are seconds, statuses the names of `ExporterStatus` without prefix, such as `LEASE_READY`.

    Attributes:
        endpoint: `127.0.0.1:port` of the controller; stays the same when the controller goes down and comes back.
        router_endpoint: `127.0.0.1:port` of the router.
        ca_file: PEM file of the authority that signed both certificates. It is made anew for each lab.
        ca: what `tls.ca` takes: base64 of that PEM.
        namespace: where all clients, exporters and leases live.
        home: a folder that serves as `XDG_CONFIG_HOME`; configurations are written into `home/jumpstarter/`.
    """

    def __init__(self, folder: Path, short: str, process: Process) -> None:
        control = Control(f"{short}/control")
        started = control.ask("addresses", {})
        self.namespace = NAMESPACE
        self.endpoint = started["controller"]
        self.router_endpoint = started["router"]
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.ca = base64.b64encode(self.ca_file.read_bytes()).decode()
        self.home = folder / "home"
        self.process = process
        self._short = short
        super().__init__(control)
        self._stack = contextlib.ExitStack()

    # ---------------------------------------------------------------- configurations and peers

    def environment(self) -> dict[str, str | None]:
        """What a child process needs beyond `helpers.processes.clean_environment`: its folders, and no proxies."""
        folders: dict[str, str | None] = {
            "XDG_CONFIG_HOME": str(self.home),
            "XDG_RUNTIME_DIR": self._short,
            "TMPDIR": self._short,
        }
        return {**folders, "no_proxy": "*", "NO_PROXY": "*", "TERM": "dumb", "NONINTERACTIVE": "1"}

    def client_config(
        self,
        name: str = "client",
        token: str | None = None,
        *,
        alias: str | None = None,
        current: bool = False,
        **keys: Any,
    ) -> Path:
        """Writes a client configuration (§7.1), creating the client at the controller if it is new.

        Args:
            name: `metadata.name`.
            token: the bearer token; a new one of an hour unless given (see `token`).
            alias: file name without `.yaml`; the name unless given.
            current: whether it becomes the user configuration's `current-client`.
            keys: further top-level keys (`leases={"acquisition_timeout": 5}`); None removes a key that is normally there.

        Returns:
            The file, `home/jumpstarter/clients/<alias>.yaml`.
        """
        self.add_client(name)
        document: dict[str, Any] = {
            "apiVersion": "jumpstarter.dev/v1alpha1",
            "kind": "ClientConfig",
            "metadata": {"namespace": self.namespace, "name": name},
            "endpoint": self.endpoint,
            "token": token or self.token(name),
            "tls": {"ca": self.ca, "insecure": False},
            "drivers": {"allow": [], "unsafe": True},
        } | keys
        path = self._write(f"clients/{alias or name}.yaml", document)
        if current:
            self.set_current_client(alias or name)
        return path

    def set_current_client(self, alias: str | None) -> None:
        """Writes the user configuration (§7.2)."""
        document = {"apiVersion": "jumpstarter.dev/v1alpha1", "kind": "UserConfig", "config": {"current-client": alias}}
        self._write("config.yaml", document)

    def exporter_config(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        export: Mapping[str, Any] | None = None,
        *,
        hooks: Mapping[str, Any] | None = None,
        **keys: Any,
    ) -> Path:
        """Writes an exporter configuration (§7.3), creating the exporter at the controller with these labels.

        Args:
            name: `metadata.name`.
            labels: what an administrator gave it; the configuration does not hold them.
            export: the drivers; a power mock called `power` unless given.
            hooks: `{"beforeLease": {"script": …, "timeout": …, "onFailure": …}, "afterLease": {…}}`.
            keys: further top-level keys.
        """
        self.add_exporter(name, labels)
        document: dict[str, Any] = {
            "apiVersion": "jumpstarter.dev/v1alpha1",
            "kind": "ExporterConfig",
            "metadata": {"namespace": self.namespace, "name": name},
            "endpoint": self.endpoint,
            "token": self.token(name, kind="Exporter"),
            "tls": {"ca": self.ca, "insecure": False},
            "export": dict(export or MOCK_POWER),
        }
        if hooks:
            document["hooks"] = dict(hooks)
        return self._write(f"exporters/{name}.yaml", document | keys)

    def start_upstream_exporter(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        export: Mapping[str, Any] | None = None,
        *,
        hooks: Mapping[str, Any] | None = None,
        wait: bool = True,
        timeout: float = 40,
    ) -> Exporter:
        """Runs upstream's exporter (`jmp run`) against the double until the lab closes; returns when it is AVAILABLE."""
        config = self.exporter_config(name, labels, export, hooks=hooks)
        # Hooks call `j`, which stands beside the Python that runs.
        path = f"{Path(script('jmp')).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        command = [script("jmp"), "run", "--exporter-config", str(config)]
        return self._start(Exporter(command, env={**self.environment(), "PATH": path}, cwd=self.folder), name, wait, timeout)

    def start_session_exporter(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        root_device: str = "mock",
        *,
        before_lease: Mapping[str, Any] | None = None,
        after_lease: Mapping[str, Any] | None = None,
        join_delay: float = 0.0,
        wait: bool = True,
        timeout: float = 30,
    ) -> StubExporter:
        """Runs our own `Session` behind the double until the lab closes; returns when it is AVAILABLE.

        Args:
            name: of the exporter.
            labels: what an administrator gave it.
            root_device: `mock`, `mock:power`, the path of an exporter configuration, or the text of one.
            before_lease: a mimicked beforeLease hook: `{"seconds": 1, "output": ["line", …], "fails": "warn|endLease|exit"}`.
                Its output goes to the session's LogStream with the hook's source (§5.6).
            after_lease: the same for afterLease.
            join_delay: seconds between LEASE_READY and joining a tunnel.
            wait: whether to wait until it is available.
            timeout: seconds until it has to be.
        """
        self.add_exporter(name, labels)
        options = {
            "endpoint": self.endpoint,
            "ca": str(self.ca_file),
            "namespace": self.namespace,
            "name": name,
            "token": self.token(name, kind="Exporter"),
            "root_device": root_device,
            "before_lease": before_lease,
            "after_lease": after_lease,
            "join_delay": join_delay,
        }
        process = StubExporter(**python("helpers.lab.stub_exporter", options, self.environment()))
        return self._start(process, name, wait, timeout)

    def jmp(self, *arguments: str, config: Path | None = None, env: Mapping[str, str | None] | None = None) -> Process:
        """Starts upstream's command line tool against the double; the caller waits. `config` is given as `--client-config`."""
        path = f"{Path(script('jmp')).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        process = Process(
            [script("jmp"), *_with_config(arguments, config)],
            env={**self.environment(), "PATH": path, **(env or {})},
            cwd=self.folder,
        )
        self._stack.callback(process.stop)
        return process

    def raw(self, name: str = "client", kind: Literal["Client", "Exporter"] = "Client", token: str | None = None) -> Raw:
        """The published stubs with an identity, for calls that no client would make; closed with the lab."""
        if kind == "Client":
            self.add_client(name)
        raw = Raw(self.endpoint, self.ca_file, self.namespace, name, kind, token or self.token(name, kind=kind))
        self._stack.callback(raw.close)
        return raw

    def _start(self, process: Any, name: str, wait: bool, timeout: float) -> Any:
        self._stack.callback(process.stop)
        # By force: upstream's takes a second to say goodbye to a lab that ends anyway.
        self._stack.callback(process.kill)
        if wait:
            self.wait_for_status(name, "AVAILABLE", process=process, timeout=timeout)
        return process

    # ---------------------------------------------------------------- objects at the controller

    def token(
        self,
        name: str,
        *,
        kind: Literal["Client", "Exporter"] = "Client",
        expires_in: float = 3600.0,
        issuer: str | None = None,
    ) -> str:
        """A bearer token as the controller issues it (ES256, §8.11).

        Args:
            name: who it speaks for; has to exist.
            kind: of whom.
            expires_in: seconds; a negative number gives a token that has expired.
            issuer: the claim `iss`, for tests with an OIDC issuer of their own; the double takes the token all the same.
        """
        return self.script("token", name=name, kind=kind, expires_in=expires_in, issuer=issuer)

    def add_client(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Creates a client; an existing one stays as it is, but gets the labels."""
        self.script("add_client", name=name, labels=dict(labels) if labels is not None else None)

    def add_exporter(self, name: str, labels: Mapping[str, str] | None = None, *, enabled: bool = True) -> None:
        """Creates an exporter that nobody has registered yet; an existing one only gets what differs."""
        self.script("add_exporter", name=name, labels=dict(labels) if labels is not None else None, enabled=enabled)

    def set_exporter(self, name: str, **changes: Any) -> None:
        """Changes what the controller holds of an exporter: `labels`, `enabled`, `status`, `message`, `online`."""
        self.script("set_exporter", name=name, **changes)

    def exporters(self) -> dict[str, dict[str, Any]]:
        """By name: `labels`, `enabled`, `registered`, `online`, `status`, `message`, `lease` (a name or None), `listening`."""
        return self.script("exporters")

    def leases(self, *, active: bool = True) -> list[dict[str, Any]]:
        """The leases that have not ended, or all, oldest first.

        Each has `name` (short), `client`, `exporter`, `exporter_name`, `selector`, `duration`, `begin_time`, `end_time`,
        `effective_begin_time`, `effective_end_time`, `tags`, `ended`, `released` and `conditions`, each of them
        with `type`, `status`, `reason` and `message`.
        """
        return self.script("leases", active=active)

    def lease(self, name: str) -> dict[str, Any]:
        """One lease, also an ended one."""
        return next(lease for lease in self.leases(active=False) if lease["name"] == name)

    def policies(self, policies: Sequence[Mapping[str, Any]]) -> None:
        """Sets the access policies: `exporters` and `clients` (selectors), `max_duration`, `priority`, `spot`, `description`."""
        self.script("policies", policies=list(policies))

    # ---------------------------------------------------------------- what was asked

    def requests(self, method: str | None = None) -> list[dict[str, Any]]:
        """What has arrived, in order: `method` (`CreateLease`), `kind`, `name` (who), `time`, `request`, `code`, `text`.

        `code` is None while the answer is outstanding. `RouterService.Stream` counts as `Stream`.
        """
        found = self.script("requests")
        return [request for request in found if method in (None, request["method"])]

    def clear_requests(self) -> None:
        """Forgets them."""
        self.script("clear_requests")

    def wait_for(self, met: Callable[[], Any], what: str, timeout: float = 20) -> Any:
        """Asks until the answer is true, and returns it."""
        end = time.monotonic() + timeout
        while not (answer := met()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}. Lab: {self.exporters()} {self.leases(active=False)}")
            time.sleep(0.02)
        return answer

    def wait_for_request(self, method: str, count: int = 1, timeout: float = 20) -> list[dict[str, Any]]:
        """Waits until at least `count` of them were answered, and returns these."""

        def answered() -> list[dict[str, Any]]:
            found = [request for request in self.requests(method) if request["code"] is not None]
            return found if len(found) >= count else []

        return self.wait_for(answered, f"{count} of {method}", timeout)

    def wait_for_status(self, exporter: str, status: str, *, process: Process | None = None, timeout: float = 20) -> None:
        """Waits until an exporter has reported a status ; for `AVAILABLE` also until it is free and watches."""

        def reached() -> bool:
            if process is not None and process.returncode is not None:
                raise AssertionError(f"{process} ended with {process.returncode}:\n{process.output}")
            found = self.exporters()[exporter]
            ready = status != "AVAILABLE" or (found["lease"] is None and found["watching"])
            return found["status"] == status and found["registered"] and ready

        try:
            self.wait_for(reached, f"exporter '{exporter}' {status}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{process.output if process else ''}") from None

    def wait_until_free(self, timeout: float = 20) -> None:
        """Waits until no lease is left."""
        self.wait_for(lambda: not self.leases(), "no lease left", timeout)

    # ---------------------------------------------------------------- end

    def stop(self) -> None:
        """Ends everything that was started through this lab."""
        self._stack.close()

    def _write(self, path: str, document: Mapping[str, Any]) -> Path:
        file = self.home / "jumpstarter" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in document.items() if value is not None}
        file.write_text(yaml.safe_dump(kept, sort_keys=False))
        file.chmod(0o600)
        return file


def _with_config(arguments: Sequence[str], config: Path | None) -> list[str]:
    """Puts `--client-config` before what `jmp shell` runs."""
    if config is None:
        return list(arguments)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:end], "--client-config", str(config), *arguments[end:]]


@contextlib.contextmanager
def start_lab(tmp_path: Path, *, fronts: bool = True, timeout: float = 30, **settings: float | str) -> Iterator[Lab]:
    """Runs a controller and a router in a child process until the block ends.

    Args:
        tmp_path: configurations and certificates go to `tmp_path/lab`.
        fronts: whether TCP connections pass through what `Lab.network` scripts. Without it bytes are quicker (benchmarks).
        timeout: seconds until it has to listen.
        settings: see `helpers.lab.objects.Settings`, such as `dial_wait=2`.
    """
    folder = tmp_path / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    # A socket's path is at most 107 bytes long; pytest's folders are longer. Here are all sockets, also those of the exporters.
    short = tempfile.mkdtemp(prefix="lab-")
    make_authority(folder)
    options = {
        "folder": str(folder),
        "control": f"{short}/control",
        "namespace": NAMESPACE,
        "fronts": fronts,
        "settings": settings,
    }
    try:
        with Process(**python("helpers.lab.server", options)) as process:
            process.wait_for_output("lab double listens", timeout)
            lab = Lab(folder, short, process)
            try:
                yield lab
            finally:
                lab.stop()
    finally:
        shutil.rmtree(short, ignore_errors=True)
