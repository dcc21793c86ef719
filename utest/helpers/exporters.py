"""Exporters in child processes: upstream's and ours."""

import contextlib
import os
import shlex
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2_grpc

from .processes import Process
from .programs import script

SMOKE_YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: smoke}
export:
  dut:
    children:
      power:   {type: jumpstarter_driver_power.driver.MockPower}
      serial:  {type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: "loop://"}}
      echo:    {type: jumpstarter_driver_network.driver.EchoNetwork}
      mux:     {type: jumpstarter_driver_opendal.driver.MockStorageMuxFlasher}
      flasher: {type: jumpstarter_driver_opendal.driver.MockFlasher}
      files:   {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: fs, kwargs: {root: WORK}}}
      memory:  {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: memory, kwargs: {}}}
      http:    {type: jumpstarter_driver_http.driver.HttpServer, config: {root_dir: WORK/www, host: 127.0.0.1, port: 0}}
      tftp:    {type: jumpstarter_driver_tftp.driver.Tftp, config: {root_dir: WORK/tftp, host: 127.0.0.1, port: TFTP_PORT}}
      shell:   {type: jumpstarter_driver_shell.driver.Shell, config: {methods: {greet: "echo hello $1", fail: "exit 3"}}}
      can0:    {type: jumpstarter_driver_can.driver.Can, config: {interface: virtual, channel: bus}}
      can1:    {type: jumpstarter_driver_can.driver.Can, config: {interface: virtual, channel: bus}}
      uboot:
        type: jumpstarter_driver_uboot.driver.UbootConsole
        children: {power: {ref: dut.power}, serial: {ref: dut.serial}}
  alias: {ref: dut.power}
"""


def smoke_yaml(work: Path) -> str:
    """The configuration of an exporter with every upstream driver that needs nothing but PyPI; its files go to `work`."""
    work.mkdir(parents=True, exist_ok=True)
    return SMOKE_YAML.replace("WORK", str(work)).replace("TFTP_PORT", str(free_port(socket.SOCK_DGRAM)))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on 127.0.0.1 that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Exporter(Process):
    """An exporter in a child process."""

    address = ""
    """What `JUMPSTARTER_HOST` takes: host:port or a socket path."""

    def freeze(self) -> None:
        """Stops it without closing its connections (SIGSTOP), and returns when all its threads stand still."""
        self.signal_all(signal.SIGSTOP)
        end = time.monotonic() + 10
        while not all(is_stopped(pid) for pid in self.pids()):
            assert time.monotonic() < end, f"{self} cannot be frozen"
            time.sleep(0.001)

    def thaw(self) -> None:
        """Lets it go on (SIGCONT)."""
        self.signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once, with all its descendants (SIGKILL)."""
        self.kill_all()


def is_stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped, or it has ended."""
    states = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return all(state in "TtZX" for state in states)


@contextlib.contextmanager
def start_upstream_exporter(
    yaml_text: str,
    *options: str,
    port: int | None = None,
    passphrase: str | None = None,
    env: Mapping[str, str | None] | None = None,
    timeout: float = 30,
) -> Iterator[Exporter]:
    """Runs upstream's exporter, without TLS, until the block ends; the block starts when it answers.

    Args:
        yaml_text: the exporter's configuration, for example `smoke_yaml(tmp_path)`.
        options: further options of `jmp run`.
        port: where to listen; a free port unless given.
        passphrase: what clients have to send.
        env: changes to its environment.
        timeout: seconds until it has to answer.
    """
    with tempfile.TemporaryDirectory(prefix="upstream-exporter-") as folder:
        config = Path(folder) / "exporter.yaml"
        config.write_text(yaml_text)
        address = f"127.0.0.1:{port or free_port()}"
        command = [script("jmp"), "run", "--exporter-config", str(config)]
        command += ["--tls-grpc-listener", address, "--tls-grpc-insecure", *options]
        command += ["--passphrase", passphrase] if passphrase else []
        # Its own configuration folder, so that the developer's cannot change the outcome.
        with Exporter(command, env={"XDG_CONFIG_HOME": folder, **(env or {})}, cwd=Path(folder)) as exporter:
            exporter.address = address
            wait_until_ready(exporter, passphrase, timeout)
            yield exporter


@contextlib.contextmanager
def start_our_exporter(
    target_or_yaml: str | os.PathLike[str] = "mock",
    *options: str,
    listen: str | None = "127.0.0.1:0",
    env: Mapping[str, str | None] | None = None,
    timeout: float = 30,
) -> Iterator[Exporter]:
    """Runs `python -m JumpstarterLibrary.exporter` until the block ends; the block starts when it says where it listens.

    Args:
        target_or_yaml: `mock`, `mock:power`, the path of a configuration, or the text of one.
        options: further options.
        listen: where; None leaves the choice to the exporter.
        env: changes to its environment.
        timeout: seconds until it has to say where it listens.
    """
    with tempfile.TemporaryDirectory(prefix="our-exporter-") as folder:
        target = os.fspath(target_or_yaml)
        if "\n" in target:
            config = Path(folder) / "exporter.yaml"
            config.write_text(target)
            target = str(config)
        command = [sys.executable, "-m", "JumpstarterLibrary.exporter", target, *options]
        command += ["--listen", listen] if listen else []
        with Exporter(command, env=env) as exporter:
            line = exporter.wait_for_output("export JUMPSTARTER_HOST=", timeout)
            exporter.address = shlex.split(line.split("JUMPSTARTER_HOST=", 1)[1])[0]
            yield exporter


def wait_until_ready(exporter: Exporter, passphrase: str | None, timeout: float) -> None:
    """Asks for the exporter's report until it answers."""
    metadata = [("x-jumpstarter-passphrase", passphrase)] if passphrase else []
    end = time.monotonic() + timeout
    while True:
        # A new channel each time: one that has failed waits longer and longer before it tries again.
        with grpc.insecure_channel(exporter.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                jumpstarter_pb2_grpc.ExporterServiceStub(channel).GetReport(Empty(), timeout=2, metadata=metadata)
                return
            except grpc.RpcError as error:
                reason = f"{error.code().name}: {error.details()}"
        if exporter.returncode is not None or time.monotonic() > end:
            state = f"ended with {exporter.returncode}" if exporter.returncode is not None else f"is not ready after {timeout} s"
            raise AssertionError(f"{exporter} {state} ({reason}). Its output:\n{exporter.output}")
        time.sleep(0.05)
