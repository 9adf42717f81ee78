/** The system bus's usual place, below a private `/run`. */
export const busAddress = 'unix:path=/run/dbus/system_bus_socket';

/**
 * The configuration of a system bus that lets in what Debian's own does, with polkit as its only service.
 *
 * @param services directory with the services that the bus may start; null if it starts none
 */
export function busConfiguration(services: string | null): string {
  const activation =
    services === null
      ? ''
      : `<servicedir>${services}</servicedir>
  <servicehelper>/usr/lib/dbus-1.0/dbus-daemon-launch-helper</servicehelper>`;
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <auth>EXTERNAL</auth>
  <listen>${busAddress}</listen>
  ${activation}
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
</busconfig>
`;
}
