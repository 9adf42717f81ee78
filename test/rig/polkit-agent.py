"""An authentication agent of one session, which answers without a person (polkit(8), "Authentication agents").

Arguments: uid, session, the file with the answer (`yes`, `no`, `dismiss`, or `wait` until it says something else), and
the file to which it adds a line of JSON when it is asked and when it is done with a question. Prints `registered` once
polkitd knows it.

An agent runs as the session's own user, and what checks the password as root (polkit-agent-helper-1). This one is
started as root and is both: it opens a connection for the second part, then becomes the user for good.
"""

import json
import os
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

SERVICE = "org.freedesktop.PolicyKit1"
AUTHORITY = "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY_INTERFACE = f"{SERVICE}.Authority"
PATH = "/org/sallyport/AuthenticationAgent"
INTERFACE = f"""<node><interface name="{SERVICE}.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" name="action_id" direction="in"/><arg type="s" name="message" direction="in"/>
    <arg type="s" name="icon_name" direction="in"/><arg type="a{{ss}}" name="details" direction="in"/>
    <arg type="s" name="cookie" direction="in"/><arg type="a(sa{{sv}})" name="identities" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" name="cookie" direction="in"/></method>
</interface></node>"""
# Milliseconds between looks at the answer.
INTERVAL = 20

uid, session, answer_path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
# Unbuffered: whoever got polkitd's answer finds here how the dialog ended.
asked = open(sys.argv[4], "ab", buffering=0)
checker = Gio.DBusConnection.new_for_address_sync(
    Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM),
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
)
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
# Ends this process when the bus goes.
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
open_dialogs = {}


def say(event, **fields):
    asked.write((json.dumps({"event": event, "uid": uid, **fields}) + "\n").encode())


def answer():
    with open(answer_path, encoding="utf-8") as file:
        return file.read().strip()


def finish(cookie, said):
    """Closes a dialog as the person or polkitd wants it."""
    dialog = open_dialogs.pop(cookie, None)
    if dialog is None:
        return
    invocation, administrator, action = dialog
    say("done", action=action, answer=said)
    if said == "yes":
        identity = ("unix-user", {"uid": GLib.Variant("u", administrator)})
        parameters = GLib.Variant("(us(sa{sv}))", (uid, cookie, identity))
        checker.call_sync(
            SERVICE, AUTHORITY, AUTHORITY_INTERFACE, "AuthenticationAgentResponse2", parameters, None, 0, -1, None
        )
    if said in ("dismiss", "cancelled"):
        invocation.return_dbus_error(f"{SERVICE}.Error.Cancelled", "The dialog was closed.")
    else:
        # Without a response the password was wrong.
        invocation.return_value(None)


def on_call(_bus, _sender, _path, _interface, method, parameters, invocation):
    if method == "CancelAuthentication":
        (cookie,) = parameters.unpack()
        finish(cookie, "cancelled")
        invocation.return_value(None)
        return
    action, message, icon, details, cookie, identities = parameters.unpack()
    uids = [value["uid"] for kind, value in identities if kind == "unix-user"]
    say("asked", action=action, message=message, icon=icon)
    open_dialogs[cookie] = (invocation, uids[0], action)
    look()


def look():
    said = answer()
    if said != "wait":
        for cookie in list(open_dialogs):
            finish(cookie, said)
    return True


bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0], on_call, None, None)
subject = ("unix-session", {"session-id": GLib.Variant("s", session)})
bus.call_sync(
    SERVICE,
    AUTHORITY,
    AUTHORITY_INTERFACE,
    "RegisterAuthenticationAgent",
    GLib.Variant("((sa{sv})ss)", (subject, "C", PATH)),
    None,
    0,
    -1,
    None,
)
print("registered", flush=True)
GLib.timeout_add(INTERVAL, look)
GLib.MainLoop().run()
