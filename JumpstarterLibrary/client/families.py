"""Which module has the typed client of a family. They are loaded when a device has such a driver, and not before: together they
would be half of what importing the client costs, and most devices have few of them."""

from __future__ import annotations

import importlib

MODULES: dict[str, tuple[str, ...]] = {
    "files": ("jumpstarter_driver_opendal.client.OpendalClient",),
    "network": ("jumpstarter_driver_network.client.NetworkClient", "jumpstarter_driver_network.client.DbusNetworkClient"),
    "servers": ("jumpstarter_driver_http.client.HttpServerClient", "jumpstarter_driver_tftp.client.TftpServerClient"),
    "shell": ("jumpstarter_driver_shell.client.ShellClient",),
    "ssh": ("jumpstarter_driver_ssh.client.SSHWrapperClient",),
    "storage": (
        "jumpstarter.client.flasher.FlasherClient",
        "jumpstarter_driver_opendal.client.FlasherClient",
        "jumpstarter_driver_qemu.client.QemuFlasherClient",
        "jumpstarter_driver_esp32.client.Esp32FlasherClient",
        "jumpstarter_driver_pi_pico.client.PiPicoClient",
        "jumpstarter_driver_stlink_msd.client.StlinkMsdFlasherClient",
        "jumpstarter_driver_opendal.client.StorageMuxClient",
        "jumpstarter_driver_opendal.client.StorageMuxFlasherClient",
    ),
    "uboot": ("jumpstarter_driver_uboot.client.UbootConsoleClient",),
    "video": ("jumpstarter_driver_ustreamer.client.UStreamerClient", "jumpstarter_driver_video.client.VideoClient"),
}
"""Type tags (`jumpstarter.dev/client`) by module of this package; a test holds them to the classes' own."""

_MODULE_OF = {tag: f"{__package__}.{module}" for module, tags in MODULES.items() for tag in tags}


def module_of(tag: str) -> str:
    """Returns the full name of the module that serves a type tag, if it is loaded late; else nothing."""
    return _MODULE_OF.get(tag, "")


def load(tag: str) -> None:
    """Loads what serves a type tag."""
    if module := _MODULE_OF.get(tag):
        importlib.import_module(module)
