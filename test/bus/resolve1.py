"""org.freedesktop.resolve1 as far as the helper uses it, for python-dbusmock."""

BUS_NAME = 'org.freedesktop.resolve1'
MAIN_OBJ = '/org/freedesktop/resolve1'
MAIN_IFACE = 'org.freedesktop.resolve1.Manager'
SYSTEM_BUS = True

# Writes the call down in a form that keeps structure; `False` and `True` become 0 and 1.
WRITE = """
import json
self.log('= ' + json.dumps([dbus_method, *args]))
"""

# Interface indexes that stand for a refusal.
REFUSE = """
refusals = {
    404: ('org.freedesktop.resolve1.NoSuchLink', 'Link 404 not known'),
    403: ('org.freedesktop.DBus.Error.AccessDenied', 'Access denied'),
    400: ('org.freedesktop.DBus.Error.InvalidArgs', 'Invalid argument'),
    500: ('org.freedesktop.resolve1.LinkBusy', 'Link 500 is managed.'),
}
if args[0] == 408:
    import time
    time.sleep(4)
if args[0] in refusals:
    name, message = refusals[args[0]]
    raise dbus.exceptions.DBusException(message, name=name)
"""


def load(mock, _parameters):
    mock.AddMethods(
        MAIN_IFACE,
        [
            ('SetLinkDNS', 'ia(iay)', '', WRITE + REFUSE),
            ('SetLinkDomains', 'ia(sb)', '', WRITE),
            ('SetLinkDefaultRoute', 'ib', '', WRITE),
            ('RevertLink', 'i', '', WRITE + REFUSE),
            ('FlushCaches', '', '', WRITE),
        ],
    )
