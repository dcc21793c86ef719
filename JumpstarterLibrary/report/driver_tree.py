"""The driver tree as people like to see it: a table in the log, indented text elsewhere."""

from __future__ import annotations

import html

from ..client.driver import DriverClient
from ..client.tree import Node

_CELL = '<td style="padding:1px 16px 1px 0;border:0;vertical-align:top{}">{}</td>'


def as_table(device: str, root: Node) -> str:
    """Returns the tree as an HTML table: place, family, type tag, description, commands."""
    head = "".join(
        f'<th style="text-align:left;padding:1px 16px 1px 0;border:0;color:#607d8b">{title}</th>'
        for title in ("driver", "family", "client class (type tag)", "description")
    )
    rows = "".join(_row(device, node) for node in root.walk())
    # It scrolls by itself where the window is narrow.
    table = f'<table style="border-spacing:0;font-size:inherit"><tr>{head}</tr>{rows}</table>'
    return f'<div style="overflow-x:auto">{table}</div>'


def _row(device: str, node: Node) -> str:
    depth = node.path.count(".") + 1 if node.path else 0
    name = f"<b>{html.escape(node.name or device)}</b>"
    indent = f";padding-left:{depth * 18}px;white-space:nowrap"
    family = DriverClient.class_for(node).family
    cells = (
        (indent, ("└ " if depth else "") + name),
        ("", "" if family == "driver" else family),
        (";font-family:monospace;color:#607d8b", html.escape(node.type_tag.removeprefix("jumpstarter_driver_"))),
        ("", html.escape(node.description)),
    )
    return "<tr>" + "".join(_CELL.format(style, text) for style, text in cells) + "</tr>"
