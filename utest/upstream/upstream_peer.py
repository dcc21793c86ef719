"""Every driver of upstream's that PyPI packages alone can start, served by upstream's own session server.

Run by `upstream_proof.py` with the Python of .venv-drivers. Prints one line of JSON: the socket, and the drivers that did not
start. Ends when its standard input does.
"""

import importlib
import json
import os
import socket
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

LOOP = {"type": "jumpstarter_driver_pyserial.driver.PySerial", "config": {"url": "loop://"}}
ECHO = {"type": "jumpstarter_driver_network.driver.EchoNetwork"}
POWER = {"type": "jumpstarter_driver_power.driver.MockPower"}


def tcp(port: int) -> dict[str, Any]:
    return {"type": "jumpstarter_driver_network.driver.TcpNetwork", "config": {"host": "127.0.0.1", "port": port}}


def of(package: str, name: str, config: dict[str, Any] | None = None, **children: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"jumpstarter_driver_{package}.driver.{name}", "config": config or {}, "children": children}


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mock_ecu(package: str, name: str) -> int:
    """Starts a control unit that comes with a driver's wheel, and returns its port."""
    return getattr(importlib.import_module(f"jumpstarter_driver_{package}.conftest"), name)().port


def fragments(work: Path, web: int) -> dict[str, dict[str, Any]]:
    """The drivers by a name that says the package and the class, as an exporter configuration has them."""
    tool = work / "probe-rs"
    tool.write_text("#!/bin/sh\necho found one probe\n")
    tool.chmod(0o755)
    demultiplexer = work / "demultiplexer"
    demultiplexer.write_text("#!/bin/sh\nsleep 60\n")
    demultiplexer.chmod(0o755)
    fastboot = work / "fastboot"
    fastboot.write_text("#!/bin/sh\ntrue\n")
    fastboot.chmod(0o755)
    url = f"http://127.0.0.1:{web}"
    local = {"root_dir": str(work / "served"), "host": "127.0.0.1"}
    uds = {"channel": "uds", "interface": "virtual", "rxid": 0x641, "txid": 0x642}
    ecu = {"ecu_ip": "127.0.0.1", "ecu_logical_address": 0xE0}
    proxy = {"listen": {"host": "127.0.0.1", "port": 18080}, "web": {"host": "127.0.0.1", "port": 18081}}
    return {
        "power.MockPower": POWER,
        "power.SyncMockPower": of("power", "SyncMockPower"),
        "composite.Composite": of("composite", "Composite", inner=POWER),
        "pyserial.PySerial": LOOP,
        "pyserial.NVDemuxSerial": {
            "type": "jumpstarter_driver_pyserial.nvdemux.driver.NVDemuxSerial",
            "config": {"demuxer_path": str(demultiplexer), "device": "/dev/null"},
        },
        "network.EchoNetwork": ECHO,
        "network.TcpNetwork": tcp(web),
        "network.UdpNetwork": of("network", "UdpNetwork", {"host": "127.0.0.1", "port": 9}),
        "network.UnixNetwork": of("network", "UnixNetwork", {"path": str(work / "socket")}),
        "network.WebsocketNetwork": of("network", "WebsocketNetwork", {"url": f"ws://127.0.0.1:{web}"}),
        "opendal.Opendal": of("opendal", "Opendal", {"scheme": "memory", "kwargs": {}}),
        "opendal.MockFlasher": of("opendal", "MockFlasher"),
        "opendal.MockStorageMux": of("opendal", "MockStorageMux"),
        "opendal.MockStorageMuxFlasher": of("opendal", "MockStorageMuxFlasher"),
        "http.HttpServer": of("http", "HttpServer", {**local, "port": 0}),
        "tftp.Tftp": of("tftp", "Tftp", {**local, "port": free_port()}),
        "iscsi.ISCSI": of("iscsi", "ISCSI", local),
        "shell.Shell": of("shell", "Shell", {"methods": {"greet": "echo hello $1"}}),
        "can.Can": of("can", "Can", {"interface": "virtual", "channel": "bus"}),
        "uds_can.UdsCan": of("uds_can", "UdsCan", uds),
        "uboot.UbootConsole": of("uboot", "UbootConsole", power=POWER, serial=LOOP),
        "ssh.SSHWrapper": of("ssh", "SSHWrapper", tcp=tcp(22)),
        "ssh_mount.SSHMount": of("ssh_mount", "SSHMount", ssh=of("ssh", "SSHWrapper", tcp=tcp(22))),
        "ssh_mitm.SSHMITM": of("ssh_mitm", "SSHMITM", {"ssh_identity": "none"}, tcp=tcp(22)),
        "tmt.TMT": of("tmt", "TMT", ssh=tcp(22)),
        "vnc.Vnc": of("vnc", "Vnc", tcp=tcp(5900)),
        "http_power.HttpPower": of(
            "http_power", "HttpPower", {"name": "plug", "power_on": {"url": url}, "power_off": {"url": url}}
        ),
        "energenie.EnerGenie": of("energenie", "EnerGenie", {"host": f"127.0.0.1:{web}"}),
        "mitmproxy.MitmproxyDriver": of("mitmproxy", "MitmproxyDriver", {**proxy, "directories": {"data": str(work / "proxy")}}),
        "probe_rs.ProbeRs": of("probe_rs", "ProbeRs", {"probe_rs_path": str(tool)}),
        "renode.Renode": of("renode", "Renode", {"platform": "x.repl", "uart": "sysbus.usart2"}),
        "ridesx.RideSXDriver": of("ridesx", "RideSXDriver", {"storage_dir": str(work / "ridesx")}, serial=LOOP),
        "ridesx.RideSXPowerDriver": of("ridesx", "RideSXPowerDriver", serial=LOOP),
        "flashers.TIJ784S4Flasher": of(
            "flashers",
            "TIJ784S4Flasher",
            {"tftp_dir": str(work / "tftp"), "http_dir": str(work / "http"), "cache_dir": str(work / "cache")},
            serial=LOOP,
            power=POWER,
            tftp=of("tftp", "Tftp", {**local, "port": free_port()}),
            http=of("http", "HttpServer", {**local, "port": 0}),
        ),
        "corellium.Corellium": of("corellium", "Corellium", {"project_id": "p", "device_name": "n", "device_flavor": "f"}),
        "ble.BleWriteNotifyStream": of(
            "ble",
            "BleWriteNotifyStream",
            {
                "address": "00:11:22:33:44:55",
                "service_uuid": "0000180a-0000-1000-8000-00805f9b34fb",
                "write_char_uuid": "00002a29-0000-1000-8000-00805f9b34fb",
                "notify_char_uuid": "00002a2a-0000-1000-8000-00805f9b34fb",
            },
        ),
        "esp32.Esp32Flasher": of("esp32", "Esp32Flasher", {"chip": "esp32"}, serial=LOOP),
        "qemu.Qemu": of("qemu", "Qemu", {"arch": "x86_64"}),
        "snmp.SNMPServer": of("snmp", "SNMPServer", {"host": "127.0.0.1", "user": "tester", "plug": 1}),
        "noyito_relay.NoyitoPowerSerial": of("noyito_relay", "NoyitoPowerSerial", {"port": "/dev/null", "channel": 1}),
        "pi_pico.PiPicoFlasher": of("pi_pico", "PiPicoFlasher", serial=LOOP),
        "stlink_msd.StlinkMsdFlasher": of("stlink_msd", "StlinkMsdFlasher"),
        "xcp.Xcp": of("xcp", "Xcp"),
        "someip.SomeIp": of("someip", "SomeIp", {"host": "127.0.0.1"}),
        "doip.DoIP": of("doip", "DoIP", {**ecu, "tcp_port": mock_ecu("doip", "MockDoIPServer")}),
        "uds_doip.UdsDoip": of("uds_doip", "UdsDoip", {**ecu, "tcp_port": mock_ecu("uds_doip", "MockDoIPUdsServer")}),
    }


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815 - http.server calls it

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    import yaml
    from jumpstarter.common import ExporterStatus
    from jumpstarter.config.exporter import ExporterConfigV1Alpha1DriverInstance
    from jumpstarter.exporter import Session
    from jumpstarter_driver_composite.driver import Composite

    with tempfile.TemporaryDirectory(prefix="upstream-peer-") as folder:
        work = Path(folder)
        os.environ["PATH"] = f"{work}:{os.environ['PATH']}"
        os.environ |= {"CORELLIUM_API_HOST": "127.0.0.1", "CORELLIUM_API_TOKEN": "none", "XDG_DATA_HOME": folder}
        web = HTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        drivers, failures = {}, {}
        for name, fragment in fragments(work, web.server_port).items():
            try:
                text = yaml.safe_dump(fragment)
                driver = ExporterConfigV1Alpha1DriverInstance.from_str(text).instantiate()
                # What upstream cannot read as a driver it takes for an empty composite.
                assert type(driver).__name__ == name.rpartition(".")[2], "its configuration is not understood"
                drivers[name.replace(".", "-")] = driver
            except Exception as error:
                failures[name] = f"{type(error).__name__}: {error}"
        with Session(root_device=Composite(children=drivers)) as session, session.serve_unix() as path:
            session.update_status(ExporterStatus.LEASE_READY)
            print(json.dumps({"path": str(path), "failures": failures}), flush=True)
            sys.stdin.read()
        os._exit(0)  # some drivers leave threads behind


if __name__ == "__main__":
    main()
