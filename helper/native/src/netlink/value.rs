//! Arguments from JavaScript, checked before the kernel sees them, and attributes of the kernel's answers.

use std::net::IpAddr;
use std::str::FromStr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{DecodeError, NlasIterator};
use netlink_packet_route::AddressFamily;

use super::error::{Result, invalid};

/// The whole number `value` between `least` and `most`.
pub fn whole(name: &str, value: f64, least: u32, most: u32) -> Result<u32> {
    if value.fract() == 0.0 && value >= f64::from(least) && value <= f64::from(most) {
        // In range and without a fraction, so the conversion is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        return Ok(value as u32);
    }
    Err(invalid(format!(
        "{name} must be a whole number from {least} to {most}, not {value}"
    )))
}

/// Like [`whole`], for an argument that may be missing.
pub fn whole_or_none(name: &str, value: Option<f64>, least: u32, most: u32) -> Result<Option<u32>> {
    value.map(|value| whole(name, value, least, most)).transpose()
}

/// An interface index as the kernel counts them.
pub fn interface_index(value: f64) -> Result<u32> {
    whole("interface index", value, 1, i32::MAX as u32)
}

/// `4` or `6` as an address family.
pub fn family(value: f64) -> Result<AddressFamily> {
    match whole("family", value, 4, 6)? {
        4 => Ok(AddressFamily::Inet),
        6 => Ok(AddressFamily::Inet6),
        other => Err(invalid(format!("family must be 4 or 6, not {other}"))),
    }
}

/// `4` or `6` for an address family; `None` for what is neither IPv4 nor IPv6.
pub fn family_number(family: AddressFamily) -> Option<u32> {
    match family {
        AddressFamily::Inet => Some(4),
        AddressFamily::Inet6 => Some(6),
        _ => None,
    }
}

/// The family of an address.
pub fn family_of(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

/// An address with its prefix length, `192.0.2.1/24`. The length is required.
pub fn cidr(name: &str, text: &str) -> Result<IpNetwork> {
    let digits = text.split_once('/').map_or("", |(_, length)| length);
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(format!(
            "{name} must be an address with a prefix length, not {text:?}"
        )));
    }
    IpNetwork::from_str(text).map_err(|cause| invalid(format!("{name} {text:?}: {cause}")))
}

/// A network: like [`cidr`], with no bits set behind the prefix.
pub fn network(name: &str, text: &str) -> Result<IpNetwork> {
    let parsed = cidr(name, text)?;
    if parsed.ip() == parsed.network() {
        return Ok(parsed);
    }
    Err(invalid(format!(
        "{name} {text:?} has bits set behind its prefix: {}/{} is the network",
        parsed.network(),
        parsed.prefix()
    )))
}

/// An address without a prefix length.
pub fn address(name: &str, text: &str) -> Result<IpAddr> {
    IpAddr::from_str(text).map_err(|_| invalid(format!("{name} must be an IP address, not {text:?}")))
}

/// The attributes of a message, undecoded: of an answer only those in use are looked at, so that one that
/// this code has never heard of cannot spoil the rest.
pub fn attributes(
    bytes: &[u8],
) -> impl Iterator<Item = std::result::Result<(u16, Vec<u8>), DecodeError>> + '_ {
    NlasIterator::new(bytes).map(|entry| entry.map(|entry| (entry.kind(), entry.value().to_vec())))
}

/// A native-endian 32-bit attribute.
pub fn number(value: &[u8]) -> std::result::Result<u32, DecodeError> {
    netlink_packet_core::parse_u32(value)
}

/// A string attribute up to its first NUL. Interface names are bytes; what is not UTF-8 is replaced.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// An attribute of four or sixteen bytes as an address.
pub fn ip(value: &[u8]) -> std::result::Result<IpAddr, DecodeError> {
    netlink_packet_core::parse_ip(value)
}

/// What follows the `length` bytes of a message's own header.
pub fn behind(payload: &[u8], length: usize) -> std::result::Result<&[u8], DecodeError> {
    payload
        .get(length..)
        .ok_or_else(|| DecodeError::buffer_too_small(payload.len(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_in_range() {
        assert_eq!(whole("n", 7.0, 0, 10).ok(), Some(7));
        assert_eq!(whole("n", f64::from(u32::MAX), 0, u32::MAX).ok(), Some(u32::MAX));
        for bad in [
            -1.0,
            11.0,
            0.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            4_294_967_296.0,
        ] {
            assert!(whole("n", bad, 0, 10).is_err(), "{bad}");
        }
        assert!(interface_index(0.0).is_err());
        assert!(family(5.0).is_err());
    }

    #[test]
    fn prefixes_are_required_and_plain() {
        assert!(cidr("c", "192.0.2.1/24").is_ok());
        assert!(cidr("c", "2001:db8::1/128").is_ok());
        for bad in [
            "",
            "/",
            "192.0.2.1",
            "192.0.2.1/",
            "192.0.2.1/33",
            "192.0.2.1/255.255.255.0",
            "::/129",
            "x/8",
            "1.2.3.4/+8",
        ] {
            assert!(cidr("c", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_have_no_host_bits() {
        assert!(network("d", "192.0.2.0/24").is_ok());
        assert!(network("d", "0.0.0.0/0").is_ok());
        assert!(network("d", "::/0").is_ok());
        assert!(network("d", "192.0.2.1/24").is_err());
        assert!(network("d", "2001:db8::1/64").is_err());
    }

    #[test]
    fn odd_attributes_are_errors_not_panics() {
        for bytes in [
            &[1u8][..],
            &[1, 2, 3],
            &[0, 0, 0, 0],
            &[255, 255, 1, 0],
            &[3, 0, 1, 0],
        ] {
            assert!(attributes(bytes).any(|entry| entry.is_err()), "{bytes:?}");
        }
        assert_eq!(attributes(&[]).count(), 0);
        assert!(number(&[1, 2, 3]).is_err());
        assert!(ip(&[1, 2, 3]).is_err());
        assert!(behind(&[1, 2], 3).is_err());
        assert_eq!(text(b"lo\0junk"), "lo");
        assert_eq!(text(b""), "");
    }
}
