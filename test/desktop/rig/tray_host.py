"""A panel without a picture: StatusNotifierWatcher, and a reader of the tray's menu.

Takes one JSON command a line on standard input and answers each with one JSON line:
  {"command": "item"}                    -> {"title", "tooltip", "iconBytes"}; waits for the item
  {"command": "menu"}                    -> {"labels": [...]} of the enabled and visible entries
  {"command": "click", "label": "..."}   -> {"clicked": true}
"""

import hashlib
import json
import sys
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

WATCHER = """
<node>
  <interface name="org.kde.StatusNotifierWatcher">
    <method name="RegisterStatusNotifierItem"><arg type="s" direction="in"/></method>
    <method name="RegisterStatusNotifierHost"><arg type="s" direction="in"/></method>
    <property name="IsStatusNotifierHostRegistered" type="b" access="read"/>
    <property name="ProtocolVersion" type="i" access="read"/>
    <property name="RegisteredStatusNotifierItems" type="as" access="read"/>
    <signal name="StatusNotifierItemRegistered"><arg type="s"/></signal>
    <signal name="StatusNotifierHostRegistered"/>
  </interface>
</node>
"""

bus = Gio.bus_get_sync(Gio.BusType.SESSION)
context = GLib.MainContext.default()
items = []


def on_method(_bus, sender, _path, _interface, method, parameters, invocation):
    if method == "RegisterStatusNotifierItem":
        (name,) = parameters.unpack()
        # Either a path of the sender's, or a name whose item lies at the usual path.
        items.append((sender, name) if name.startswith("/") else (name, "/StatusNotifierItem"))
    invocation.return_value(None)


def on_property(_bus, _sender, _path, _interface, name):
    return {
        "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
        "ProtocolVersion": GLib.Variant("i", 0),
        "RegisteredStatusNotifierItems": GLib.Variant("as", ["".join(item) for item in items]),
    }[name]


def call(name, path, interface, method, parameters, reply):
    return bus.call_sync(
        name, path, interface, method, parameters, GLib.VariantType(reply), Gio.DBusCallFlags.NONE, 5000, None
    ).unpack()


def item_property(item, name):
    parameters = GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name))
    return call(*item, "org.freedesktop.DBus.Properties", "Get", parameters, "(v)")[0]


def latest_item():
    deadline = time.monotonic() + 20
    while not items:
        if time.monotonic() > deadline:
            raise TimeoutError("no tray icon was registered in 20 s")
        context.iteration(False)
        time.sleep(0.02)
    return items[-1]


def menu(item):
    path = item_property(item, "Menu")
    parameters = GLib.Variant("(iias)", (0, -1, []))
    _revision, root = call(item[0], path, "com.canonical.dbusmenu", "GetLayout", parameters, "(u(ia{sv}av))")
    return path, [(identifier, properties) for identifier, properties, _children in root[2]]


def label_of(properties):
    # An underscore marks the key of an entry; two are one.
    return properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_")


def answer(request):
    item = latest_item()
    if request["command"] == "item":
        pixmaps = item_property(item, "IconPixmap")
        digest = hashlib.sha256(repr(pixmaps).encode()).hexdigest()
        tooltip = item_property(item, "ToolTip")
        return {"title": item_property(item, "Title"), "tooltip": tooltip[2], "icon": digest}
    path, entries = menu(item)
    usable = [(i, p) for i, p in entries if p.get("visible", True) and p.get("type") != "separator"]
    if request["command"] == "menu":
        return {"labels": [label_of(p) for _, p in usable if p.get("enabled", True)]}
    for identifier, properties in usable:
        if label_of(properties) == request["label"] and properties.get("enabled", True):
            parameters = GLib.Variant("(isvu)", (identifier, "clicked", GLib.Variant("i", 0), 0))
            call(item[0], path, "com.canonical.dbusmenu", "Event", parameters, "()")
            return {"clicked": True}
    raise LookupError("the menu has no such entry: " + ", ".join(label_of(p) for _, p in usable))


def on_line(channel, _condition):
    line = sys.stdin.readline()
    if line == "":
        sys.exit(0)
    try:
        result = answer(json.loads(line))
    except Exception as error:  # the test reports it
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)
    return True


interface = Gio.DBusNodeInfo.new_for_xml(WATCHER).interfaces[0]
bus.register_object("/StatusNotifierWatcher", interface, on_method, on_property, None)
Gio.bus_own_name_on_connection(bus, "org.kde.StatusNotifierWatcher", Gio.BusNameOwnerFlags.NONE, None, None)
GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, on_line)
print(json.dumps({"ready": True}), flush=True)
GLib.MainLoop().run()
