"""org.freedesktop.PolicyKit1 that answers what polkitd never would, for python-dbusmock."""

BUS_NAME = 'org.freedesktop.PolicyKit1'
MAIN_OBJ = '/org/freedesktop/PolicyKit1/Authority'
MAIN_IFACE = 'org.freedesktop.PolicyKit1.Authority'
SYSTEM_BUS = True

# What an action's last part asks for: the signature of the answer, and the answer.
ANSWERS = {
    'text': ('s', 'ret = "yes"'),
    'nothing': ('', 'pass'),
    'short': ('(bb)', 'ret = (True, False)'),
    'numbers': ('(uua{ss})', 'ret = (1, 0, {})'),
    'contradiction': ('(bba{ss})', 'ret = (True, True, {})'),
    'dismissed': ('(bba{ss})', 'ret = (True, False, {"polkit.dismissed": "true"})'),
    'late': ('(bba{ss})', 'import time; time.sleep(8); ret = (True, False, {})'),
    'yes': ('(bba{ss})', 'ret = (True, False, {})'),
}


def load(mock, parameters):
    signature, code = ANSWERS[parameters['answer']]
    mock.AddMethods(
        MAIN_IFACE,
        [
            ('CheckAuthorization', '(sa{sv})sa{ss}us', signature, code),
            ('CancelCheckAuthorization', 's', '', ''),
        ],
    )
