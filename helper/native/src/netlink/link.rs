//! Network interfaces.

use napi_derive::napi;
use netlink_packet_core::DecodeError;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkMessage};

use super::error::{Result, invalid};
use super::socket::Connection;
use super::value::{attributes, behind, interface_index, number, text, whole_or_none};

/// Length of `struct ifinfomsg`, in bytes.
const HEADER: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
/// Longest name of an interface, in bytes (`IFNAMSIZ` less its NUL).
const NAME_LENGTH: usize = 15;

/// A network interface of this network namespace.
#[napi(object, use_nullable = true, object_from_js = false)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it; never used twice while the system runs, except after wrapping around.
    pub index: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Largest IP packet that it takes, in bytes.
    pub mtu: u32,
    /// Whether it is set up (`IFF_UP`), which says nothing about a carrier.
    pub up: bool,
    /// Its driver as `ip -d link` calls it (`tun`, `wireguard`, `veth`, …); null for plain hardware and loopback.
    pub kind: Option<String>,
    /// `IFF_*` bits of netdevice(7).
    pub flags: u32,
}

/// What `linkSet` changes; what is missing stays as it is.
#[napi(object, object_to_js = false)]
#[derive(Clone, Copy, Debug)]
pub struct LinkChange {
    /// Largest IP packet, in bytes.
    pub mtu: Option<f64>,
    /// Sets the interface up or down.
    pub up: Option<bool>,
}

/// Reads one `RTM_NEWLINK` payload.
pub(super) fn read(payload: &[u8]) -> std::result::Result<Link, DecodeError> {
    let header = LinkHeader::parse(payload)?;
    let mut link = Link {
        index: header.index,
        name: String::new(),
        mtu: 0,
        up: header.flags.contains(LinkFlags::Up),
        kind: None,
        flags: header.flags.bits(),
    };
    for attribute in attributes(behind(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            IFLA_IFNAME => link.name = text(&value),
            IFLA_MTU => link.mtu = number(&value)?,
            IFLA_LINKINFO => {
                for detail in attributes(&value) {
                    let (kind, value) = detail?;
                    if kind == IFLA_INFO_KIND {
                        link.kind = Some(text(&value));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(link)
}

/// All interfaces of this network namespace.
#[napi(catch_unwind)]
pub fn links() -> Result<Vec<Link>> {
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    Connection::open()?.dump("list interfaces", &request, |payload| read(payload).map(Some))
}

/// The interface called `name`, or null.
#[napi(catch_unwind)]
pub fn link_by_name(name: String) -> Result<Option<Link>> {
    if name.is_empty() || name.len() > NAME_LENGTH {
        return Err(invalid(format!(
            "an interface's name has 1 to {NAME_LENGTH} bytes, not {}",
            name.len()
        )));
    }
    Ok(links()?.into_iter().find(|link| link.name == name))
}

/// Changes MTU and state of an interface in one request. Throws `NOT_FOUND` when it is gone.
#[napi(catch_unwind)]
pub fn link_set(#[napi(ts_arg_type = "number")] index: f64, change: LinkChange) -> Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = interface_index(index)?;
    if let Some(mtu) = whole_or_none("mtu", change.mtu, 68, i32::MAX as u32)? {
        message.attributes.push(LinkAttribute::Mtu(mtu));
    }
    if let Some(up) = change.up {
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    }
    let tried = format!("change interface {index}");
    Connection::open()?.change(&tried, RouteNetlinkMessage::SetLink(message), 0)
}

/// Removes an interface with its addresses and routes. Throws `NOT_FOUND` when it is gone.
#[napi(catch_unwind)]
pub fn link_delete(index: f64) -> Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = interface_index(index)?;
    let tried = format!("remove interface {index}");
    Connection::open()?.change(&tried, RouteNetlinkMessage::DelLink(message), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_loopback() {
        let all = links().expect("a list");
        let loopback = all.iter().find(|link| link.name == "lo").expect("lo");
        assert_ne!(loopback.flags & LinkFlags::Loopback.bits(), 0);
        assert_eq!(link_by_name("lo".into()).expect("lo").as_ref(), Some(loopback));
        assert_eq!(link_by_name("no-such-link".into()).expect("an answer"), None);
    }

    #[test]
    fn odd_payloads_are_errors() {
        for length in 0..HEADER {
            assert!(read(&vec![0; length]).is_err(), "{length}");
        }
        let mut payload = vec![0; HEADER];
        assert!(read(&payload).is_ok());
        payload.extend([6, 0, 4, 0, 1, 2, 0, 0]);
        assert!(read(&payload).is_err(), "an MTU of two bytes");
    }
}
