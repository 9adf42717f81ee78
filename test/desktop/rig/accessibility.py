"""Sees what a screen reader would, over AT-SPI, with no debugger in the app.

Turns accessibility on for the session first, as a screen reader does. Takes one JSON command a line on standard input
and answers each with one JSON line:
  {"command": "find", "application": ..., "role": ..., "name": ...}
      -> {"found": {"sensitive", "x", "y", "width", "height"}}, the place on the screen, or {"found": null}
  {"command": "names", "application": ...}             -> {"names": ["role: name", ...]} of everything visible
"""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
bus.call_sync(
    "org.a11y.Bus",
    "/org/a11y/bus",
    "org.freedesktop.DBus.Properties",
    "Set",
    GLib.Variant("(ssv)", ("org.a11y.Status", "IsEnabled", GLib.Variant("b", True))),
    None,
    Gio.DBusCallFlags.NONE,
    10000,
    None,
)
Atspi.init()


def visible(node):
    """Every visible node of a tree. The tree changes while it is read: what has gone is left out."""
    try:
        states = node.get_state_set()
        if not states.contains(Atspi.StateType.VISIBLE) and node.get_role() != Atspi.Role.APPLICATION:
            return
        yield node
        count = node.get_child_count()
    except GLib.Error:
        return
    for index in range(count):
        try:
            child = node.get_child_at_index(index)
        except GLib.Error:
            continue
        if child is not None:
            yield from visible(child)


def nodes(application):
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        try:
            child = desktop.get_child_at_index(index)
            if child is None or child.get_name().lower() != application.lower():
                continue
        except GLib.Error:
            continue
        yield from visible(child)


def search(request):
    for node in nodes(request["application"]):
        try:
            if node.get_role_name() == request["role"] and node.get_name() == request["name"]:
                return node
        except GLib.Error:
            continue
    return None


def describe(node):
    if node is None:
        return None
    place = node.get_extents(Atspi.CoordType.SCREEN)
    return {
        "sensitive": node.get_state_set().contains(Atspi.StateType.SENSITIVE),
        "x": place.x,
        "y": place.y,
        "width": place.width,
        "height": place.height,
    }


def answer(request):
    match request["command"]:
        case "find":
            return {"found": describe(search(request))}
        case "names":
            return {"names": [f"{n.get_role_name()}: {n.get_name()}" for n in nodes(request["application"])]}
    raise ValueError(request["command"])


print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # Whoever asked decides what it means.
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
