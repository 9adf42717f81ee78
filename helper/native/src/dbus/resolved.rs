//! systemd-resolved: DNS per interface (org.freedesktop.resolve1(5)).

use std::net::IpAddr;
use std::str::FromStr;

use napi_derive::napi;

use super::call::{Bus, Service, with_bus};
use super::error::{Code, Result, error};

const RESOLVED: Service = Service {
    name: "org.freedesktop.resolve1",
    path: "/org/freedesktop/resolve1",
    interface: "org.freedesktop.resolve1.Manager",
};
/// Longest domain, in bytes (RFC 1035).
const DOMAIN_LENGTH: usize = 253;

/// A domain that an interface's servers know.
#[napi(object, object_to_js = false)]
pub struct ResolvedDomain {
    /// Without a trailing dot; `.` alone is every domain.
    pub domain: String,
    /// Only decides which servers are asked; it is not appended to short names.
    pub routing_only: bool,
}

/// The DNS of an interface.
#[napi(object, object_to_js = false)]
pub struct ResolvedLink {
    /// The interface's index.
    pub index: f64,
    /// Addresses of its servers, in order.
    pub servers: Vec<String>,
    /// Its search and routing domains.
    pub domains: Vec<ResolvedDomain>,
    /// Whether its servers are asked for names that no domain of any interface claims.
    pub default_route: bool,
}

/// `a(iay)` and `a(sb)` of the calls.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    index: i32,
    servers: Vec<(i32, Vec<u8>)>,
    domains: Vec<(String, bool)>,
    default_route: bool,
}

fn interface_index(value: f64) -> Result<i32> {
    if value.fract() == 0.0 && value >= 1.0 && value <= f64::from(i32::MAX) {
        // In range and without a fraction, so the conversion is exact.
        #[allow(clippy::cast_possible_truncation)]
        return Ok(value as i32);
    }
    Err(error(
        Code::Invalid,
        format!("index must be that of an interface, not {value}"),
    ))
}

fn check(link: ResolvedLink) -> Result<Checked> {
    let server = |text: &String| match IpAddr::from_str(text) {
        Ok(IpAddr::V4(address)) => Ok((libc::AF_INET, address.octets().to_vec())),
        Ok(IpAddr::V6(address)) => Ok((libc::AF_INET6, address.octets().to_vec())),
        Err(_) => Err(error(
            Code::Invalid,
            format!("servers must be IP addresses, not {text:?}"),
        )),
    };
    let domain = |entry: ResolvedDomain| {
        let fits = !entry.domain.is_empty() && entry.domain.len() <= DOMAIN_LENGTH;
        if fits
            && !entry
                .domain
                .chars()
                .any(|letter| letter.is_control() || letter.is_whitespace())
        {
            return Ok((entry.domain, entry.routing_only));
        }
        Err(error(Code::Invalid, format!("{:?} is no domain", entry.domain)))
    };
    Ok(Checked {
        index: interface_index(link.index)?,
        servers: link.servers.iter().map(server).collect::<Result<_>>()?,
        domains: link.domains.into_iter().map(domain).collect::<Result<_>>()?,
        default_route: link.default_route,
    })
}

async fn set(bus: Bus, link: Checked) -> Result<()> {
    bus.require(RESOLVED).await?;
    bus.call(RESOLVED, "SetLinkDNS", &(link.index, link.servers))
        .await?;
    bus.call(RESOLVED, "SetLinkDomains", &(link.index, link.domains))
        .await?;
    bus.call(RESOLVED, "SetLinkDefaultRoute", &(link.index, link.default_route))
        .await?;
    bus.call(RESOLVED, "FlushCaches", &()).await
}

/// Whether systemd-resolved runs now. It is not started by asking. False as well without a bus, or when the bus
/// does not answer within 2 s.
#[napi(catch_unwind)]
pub fn resolved_available() -> bool {
    with_bus(|bus| async move { bus.has(RESOLVED).await }).unwrap_or(false)
}

/// Sets servers, domains and default route of an interface, in this order, and flushes the caches. What fails in
/// the middle leaves the calls before it in force: `resolvedRevertLink` takes them back. At most 2 s.
#[napi(catch_unwind)]
pub fn resolved_set_link(link: ResolvedLink) -> Result<()> {
    let checked = check(link)?;
    with_bus(|bus| set(bus, checked))
}

/// Takes all DNS settings of an interface back, and flushes the caches. Throws `NOT_FOUND` when resolved does not
/// know it any more. At most 2 s.
#[napi(catch_unwind)]
pub fn resolved_revert_link(index: f64) -> Result<()> {
    let index = interface_index(index)?;
    with_bus(|bus| async move {
        bus.require(RESOLVED).await?;
        bus.call(RESOLVED, "RevertLink", &(index,)).await?;
        bus.call(RESOLVED, "FlushCaches", &()).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: f64, server: &str, domain: &str) -> ResolvedLink {
        let domains = vec![ResolvedDomain {
            domain: domain.into(),
            routing_only: true,
        }];
        ResolvedLink {
            index,
            servers: vec![server.into()],
            domains,
            default_route: true,
        }
    }

    #[test]
    fn arguments_of_the_calls() {
        let checked = check(link(7.0, "192.0.2.53", ".")).expect("a link");
        assert_eq!(checked.index, 7);
        assert_eq!(checked.servers, [(libc::AF_INET, vec![192, 0, 2, 53])]);
        assert_eq!(checked.domains, [(".".to_owned(), true)]);
        let sixth = check(link(7.0, "2001:db8::53", "example.com")).expect("a link");
        assert_eq!(sixth.servers[0].0, libc::AF_INET6);
        assert_eq!(sixth.servers[0].1.len(), 16);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert!(check(link(0.0, "192.0.2.53", ".")).is_err());
        assert!(check(link(1.5, "192.0.2.53", ".")).is_err());
        assert!(check(link(1.0, "dns.example.com", ".")).is_err());
        assert!(check(link(1.0, "192.0.2.53", "")).is_err());
        assert!(check(link(1.0, "192.0.2.53", "a\nb")).is_err());
        assert!(check(link(1.0, "192.0.2.53", &"a".repeat(254))).is_err());
    }
}
