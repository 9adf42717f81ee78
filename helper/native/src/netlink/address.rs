//! IP addresses of interfaces.

use std::net::IpAddr;

use napi_derive::napi;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage, AddressScope,
};

use super::error::Result;
use super::socket::Connection;
use super::value::{attributes, behind, cidr, family_number, family_of, interface_index, ip, number};

/// Length of `struct ifaddrmsg`, in bytes.
const HEADER: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;

/// An address of an interface.
#[napi(object, object_from_js = false)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface that has it.
    pub interface_index: u32,
    /// 4 or 6.
    #[napi(ts_type = "4 | 6")]
    pub family: u32,
    /// The interface's own address.
    pub address: String,
    /// Bits of the prefix that it shares with its link.
    pub prefix_length: u32,
    /// Whether IPv6 still looks for another holder of it (`IFA_F_TENTATIVE`): it cannot be used yet.
    pub tentative: bool,
}

/// How `addressAdd` adds.
#[napi(object, object_to_js = false)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressOptions {
    /// Keeps the kernel from adding the prefix's route to the main table.
    pub no_prefix_route: Option<bool>,
}

/// Reads one `RTM_NEWADDR` payload; `None` for families other than IP.
pub(super) fn read(payload: &[u8]) -> std::result::Result<Option<InterfaceAddress>, DecodeError> {
    let header = AddressHeader::parse(payload)?;
    let Some(family) = family_number(header.family) else {
        return Ok(None);
    };
    // On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL ours; IPv6 mostly gives the first alone.
    let (mut local, mut address) = (None, None);
    let mut flags = u32::from(header.flags.bits());
    for attribute in attributes(behind(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            IFA_LOCAL => local = Some(ip(&value)?),
            IFA_ADDRESS => address = Some(ip(&value)?),
            IFA_FLAGS => flags = number(&value)?,
            _ => {}
        }
    }
    Ok(local.or(address).map(|address: IpAddr| InterfaceAddress {
        interface_index: header.index,
        family,
        address: address.to_string(),
        prefix_length: u32::from(header.prefix_len),
        tentative: AddressFlags::from_bits_retain(flags).contains(AddressFlags::Tentative),
    }))
}

/// The addresses of one interface, or of all.
#[napi(catch_unwind)]
pub fn addresses(index: Option<f64>) -> Result<Vec<InterfaceAddress>> {
    let wanted = index.map(interface_index).transpose()?;
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut all = Connection::open()?.dump("list addresses", &request, read)?;
    all.retain(|entry| wanted.is_none_or(|index| entry.interface_index == index));
    Ok(all)
}

fn message(index: f64, text: &str) -> Result<AddressMessage> {
    let network = cidr("address", text)?;
    let mut message = AddressMessage::default();
    message.header.family = family_of(network.ip());
    message.header.prefix_len = network.prefix();
    message.header.index = interface_index(index)?;
    message.header.scope = AddressScope::Universe;
    message.attributes.push(AddressAttribute::Local(network.ip()));
    message.attributes.push(AddressAttribute::Address(network.ip()));
    Ok(message)
}

/// Gives an interface the address `192.0.2.1/24`. IPv6 addresses are usable at once: duplicates are not looked
/// for (`IFA_F_NODAD`), since a tunnel has no neighbours. Throws `EXISTS`, or `NOT_FOUND` without the interface.
#[napi(catch_unwind)]
pub fn address_add(index: f64, cidr: String, options: Option<AddressOptions>) -> Result<()> {
    let mut message = message(index, &cidr)?;
    let mut flags = AddressFlags::empty();
    if message.header.family == netlink_packet_route::AddressFamily::Inet6 {
        message.header.flags = AddressHeaderFlags::Nodad;
        flags |= AddressFlags::Nodad;
    }
    if options.unwrap_or_default().no_prefix_route == Some(true) {
        flags |= AddressFlags::Noprefixroute;
    }
    message.attributes.push(AddressAttribute::Flags(flags));
    let tried = format!("add address {cidr} to interface {index}");
    Connection::open()?.change(
        &tried,
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Takes an address from an interface. Throws `NOT_FOUND` when it is not there.
#[napi(catch_unwind)]
pub fn address_remove(index: f64, cidr: String) -> Result<()> {
    let message = message(index, &cidr)?;
    let tried = format!("remove address {cidr} from interface {index}");
    Connection::open()?.change(&tried, RouteNetlinkMessage::DelAddress(message), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_own_and_other_end() {
        let mut payload = vec![2, 32, 0, 0];
        payload.extend(7u32.to_ne_bytes());
        payload.extend([8, 0, 1, 0, 10, 0, 0, 2]);
        payload.extend([8, 0, 2, 0, 10, 0, 0, 1]);
        let entry = read(&payload).expect("readable").expect("an address");
        assert_eq!(
            (entry.address.as_str(), entry.interface_index, entry.family),
            ("10.0.0.1", 7, 4)
        );
    }

    #[test]
    fn other_families_are_passed_over() {
        assert_eq!(read(&[17, 0, 0, 0, 1, 0, 0, 0]).expect("readable"), None);
        assert!(read(&[2, 0, 0]).is_err());
    }
}
