//! Routes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use napi_derive::napi;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::{Result, invalid};
use super::socket::Connection;
use super::value::{
    address, attributes, behind, family, family_number, family_of, interface_index, ip, network, number,
    whole, whole_or_none,
};

/// Length of `struct rtmsg`, in bytes.
const HEADER: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
/// The metric that the kernel gives an IPv6 route which names none.
const IPV6_DEFAULT_METRIC: u32 = 1024;

/// A route as the kernel has it.
#[napi(object, use_nullable = true, object_from_js = false)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// 4 or 6.
    #[napi(ts_type = "4 | 6")]
    pub family: u32,
    /// The network it leads to; `0.0.0.0/0` or `::/0` for everything.
    pub destination: String,
    /// The interface it leads through; null where it leads nowhere, or through several.
    pub interface_index: Option<u32>,
    /// The next router, if any.
    pub gateway: Option<String>,
    /// Number of its table; 254 is the main one.
    pub table: u32,
    /// Lower wins; null where it has none (IPv4's 0).
    pub metric: Option<u32>,
    /// `unicast`, `unreachable`, `blackhole`, `prohibit`, `local`, `broadcast`, `anycast`, `multicast`, `throw` or `other`.
    pub kind: String,
    /// `global`, `site`, `link`, `host`, `nowhere` or a number.
    pub scope: String,
    /// Who made it (`RTPROT_*` of rtnetlink(7)): 2 the kernel, 4 `static`, which is ours.
    pub protocol: u32,
}

/// A route to add or remove.
#[napi(object, object_to_js = false)]
#[derive(Clone, Debug)]
pub struct RouteSpecification {
    /// The network, without bits behind its prefix.
    pub destination: String,
    /// The interface it leads through; required for `unicast`.
    pub interface_index: Option<f64>,
    /// The next router, of the destination's family.
    pub gateway: Option<String>,
    /// Number of its table, 1 to 4294967295.
    pub table: f64,
    /// Lower wins.
    pub metric: Option<f64>,
    /// What happens to its packets.
    #[napi(ts_type = "'unicast' | 'unreachable' | 'blackhole' | 'prohibit' | 'throw'")]
    pub kind: String,
    /// How far away its destination is; by default `link` for IPv4 without a gateway, else `global`.
    #[napi(ts_type = "'global' | 'link' | 'host'")]
    pub scope: Option<String>,
}

/// Which routes to list.
#[napi(object, object_to_js = false)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteFilter {
    /// Of this table alone.
    pub table: Option<f64>,
    /// Of this family alone.
    #[napi(ts_type = "4 | 6")]
    pub family: Option<f64>,
}

fn kind_name(kind: RouteType) -> &'static str {
    match kind {
        RouteType::Unicast => "unicast",
        RouteType::Unreachable => "unreachable",
        RouteType::BlackHole => "blackhole",
        RouteType::Prohibit => "prohibit",
        RouteType::Local => "local",
        RouteType::Broadcast => "broadcast",
        RouteType::Anycast => "anycast",
        RouteType::Multicast => "multicast",
        RouteType::Throw => "throw",
        _ => "other",
    }
}

fn scope_name(scope: RouteScope) -> String {
    match scope {
        RouteScope::Universe => "global".into(),
        RouteScope::Site => "site".into(),
        RouteScope::Link => "link".into(),
        RouteScope::Host => "host".into(),
        RouteScope::NoWhere => "nowhere".into(),
        other => u8::from(other).to_string(),
    }
}

/// Reads one `RTM_NEWROUTE` payload; `None` for families other than IP and for entries of the kernel's cache.
pub(super) fn read(payload: &[u8]) -> std::result::Result<Option<Route>, DecodeError> {
    let header = RouteHeader::parse(payload)?;
    let Some(family) = family_number(header.address_family) else {
        return Ok(None);
    };
    if header.flags.contains(RouteFlags::Cloned) {
        return Ok(None);
    }
    let anywhere = if family == 4 { "0.0.0.0" } else { "::" };
    let mut destination = anywhere.to_owned();
    let mut route = Route {
        family,
        destination: String::new(),
        interface_index: None,
        gateway: None,
        table: u32::from(header.table),
        metric: None,
        kind: kind_name(header.kind).to_owned(),
        scope: scope_name(header.scope),
        protocol: u32::from(u8::from(header.protocol)),
    };
    for attribute in attributes(behind(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            RTA_DST => destination = ip(&value)?.to_string(),
            RTA_OIF => route.interface_index = Some(number(&value)?),
            RTA_GATEWAY => route.gateway = Some(ip(&value)?.to_string()),
            RTA_PRIORITY => route.metric = Some(number(&value)?),
            RTA_TABLE => route.table = number(&value)?,
            _ => {}
        }
    }
    route.destination = format!("{destination}/{}", header.destination_prefix_length);
    Ok(Some(route))
}

/// A specification with every part checked.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    destination: IpNetwork,
    interface: Option<u32>,
    gateway: Option<IpAddr>,
    table: u32,
    metric: Option<u32>,
    kind: RouteType,
    scope: Option<RouteScope>,
}

fn check(given: &RouteSpecification) -> Result<Checked> {
    let destination = network("destination", &given.destination)?;
    let gateway = given
        .gateway
        .as_deref()
        .map(|text| address("gateway", text))
        .transpose()?;
    if gateway.is_some_and(|gateway| gateway.is_ipv4() != destination.is_ipv4()) {
        return Err(invalid(format!(
            "the gateway of {destination} is of the other address family"
        )));
    }
    let kind = match given.kind.as_str() {
        "unicast" => RouteType::Unicast,
        "unreachable" => RouteType::Unreachable,
        "blackhole" => RouteType::BlackHole,
        "prohibit" => RouteType::Prohibit,
        "throw" => RouteType::Throw,
        other => {
            return Err(invalid(format!(
                "kind must be unicast, unreachable, blackhole, prohibit or throw, not {other:?}"
            )));
        }
    };
    let interface = given.interface_index.map(interface_index).transpose()?;
    if (kind == RouteType::Unicast) != interface.is_some() {
        return Err(invalid(format!(
            "the route to {destination} must name an interface if it is unicast, and only then"
        )));
    }
    if kind != RouteType::Unicast && gateway.is_some() {
        return Err(invalid(format!(
            "the route to {destination} leads nowhere and cannot have a gateway"
        )));
    }
    let scope = match given.scope.as_deref() {
        None => None,
        Some("global") => Some(RouteScope::Universe),
        Some("link") => Some(RouteScope::Link),
        Some("host") => Some(RouteScope::Host),
        Some(other) => {
            return Err(invalid(format!(
                "scope must be global, link or host, not {other:?}"
            )));
        }
    };
    Ok(Checked {
        destination,
        interface,
        gateway,
        table: whole("table", given.table, 1, u32::MAX)?,
        metric: whole_or_none("metric", given.metric, 0, u32::MAX)?,
        kind,
        scope,
    })
}

impl Checked {
    fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = family_of(self.destination.ip());
        message.header.destination_prefix_length = self.destination.prefix();
        // Tables over 255 live in the attribute alone.
        message.header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        message.header.protocol = RouteProtocol::Static;
        message.header.kind = self.kind;
        message.attributes.push(RouteAttribute::Table(self.table));
        if self.destination.prefix() > 0 {
            message
                .attributes
                .push(RouteAttribute::Destination(RouteAddress::from(
                    self.destination.ip(),
                )));
        }
        if let Some(index) = self.interface {
            message.attributes.push(RouteAttribute::Oif(index));
        }
        if let Some(gateway) = self.gateway {
            message
                .attributes
                .push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
        }
        message
    }

    fn addition(&self) -> RouteMessage {
        let mut message = self.message();
        let near = self.destination.is_ipv4() && self.kind == RouteType::Unicast && self.gateway.is_none();
        let usual = if near {
            RouteScope::Link
        } else {
            RouteScope::Universe
        };
        message.header.scope = self.scope.unwrap_or(usual);
        message
            .attributes
            .extend(self.metric.map(RouteAttribute::Priority));
        message
    }

    fn removal(&self) -> RouteMessage {
        let mut message = self.message();
        // To the kernel "nowhere" means: whatever its scope.
        message.header.scope = self.scope.unwrap_or(RouteScope::NoWhere);
        // Without a metric the kernel would take the first route whatever its metric; for IPv6 we know ours.
        let usual = if self.destination.is_ipv4() {
            None
        } else {
            Some(IPV6_DEFAULT_METRIC)
        };
        message.attributes.extend(
            self.metric
                .filter(|metric| *metric > 0)
                .or(usual)
                .map(RouteAttribute::Priority),
        );
        message
    }
}

/// Routes of all tables, or of the table and family asked for; the kernel's cache is left out.
#[napi(catch_unwind)]
pub fn routes(filter: Option<RouteFilter>) -> Result<Vec<Route>> {
    let filter = filter.unwrap_or_default();
    let table = whole_or_none("table", filter.table, 1, u32::MAX)?;
    let families = match filter.family {
        Some(number) => vec![family(number)?],
        None => vec![AddressFamily::Inet, AddressFamily::Inet6],
    };
    let mut all = Vec::new();
    let mut connection = Connection::open()?;
    for family in families {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let request = RouteNetlinkMessage::GetRoute(message);
        all.extend(connection.dump("list routes", &request, read)?);
    }
    all.retain(|route| table.is_none_or(|table| route.table == table));
    Ok(all)
}

/// Adds a route, marked `static`. Throws `EXISTS` when its table has one of that destination and metric,
/// `NOT_FOUND` when the interface is gone.
#[napi(catch_unwind)]
pub fn route_add(route: RouteSpecification) -> Result<()> {
    let checked = check(&route)?;
    let tried = format!(
        "add the route to {} in table {}",
        checked.destination, checked.table
    );
    let message = RouteNetlinkMessage::NewRoute(checked.addition());
    Connection::open()?.change(&tried, message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Removes a route that `routeAdd` added with the same words; routes of other programs stay, because theirs are
/// not marked `static` or lead elsewhere. Throws `NOT_FOUND` when there is none.
#[napi(catch_unwind)]
pub fn route_remove(route: RouteSpecification) -> Result<()> {
    let checked = check(&route)?;
    let tried = format!(
        "remove the route to {} from table {}",
        checked.destination, checked.table
    );
    Connection::open()?.change(&tried, RouteNetlinkMessage::DelRoute(checked.removal()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(destination: &str, kind: &str) -> RouteSpecification {
        RouteSpecification {
            destination: destination.into(),
            interface_index: (kind == "unicast").then_some(3.0),
            gateway: None,
            table: 51_820.0,
            metric: None,
            kind: kind.into(),
            scope: None,
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert!(check(&given("10.0.0.0/8", "unicast")).is_ok());
        assert!(check(&given("10.0.0.1/8", "unicast")).is_err());
        assert!(check(&given("10.0.0.0/8", "throw")).is_ok());
        assert!(check(&given("10.0.0.0/8", "local")).is_err());
        assert!(
            check(&RouteSpecification {
                interface_index: None,
                ..given("::/0", "unicast")
            })
            .is_err()
        );
        assert!(
            check(&RouteSpecification {
                gateway: Some("1.2.3.4".into()),
                ..given("::/0", "unicast")
            })
            .is_err()
        );
        assert!(
            check(&RouteSpecification {
                gateway: Some("::1".into()),
                ..given("::/0", "blackhole")
            })
            .is_err()
        );
        assert!(
            check(&RouteSpecification {
                table: 0.0,
                ..given("::/0", "unicast")
            })
            .is_err()
        );
        assert!(
            check(&RouteSpecification {
                scope: Some("moon".into()),
                ..given("::/0", "unicast")
            })
            .is_err()
        );
        assert!(
            check(&RouteSpecification {
                metric: Some(-1.0),
                ..given("::/0", "unicast")
            })
            .is_err()
        );
    }

    #[test]
    fn default_routes_carry_no_destination() {
        let message = check(&given("0.0.0.0/0", "unicast")).expect("a route").addition();
        assert_eq!(message.header.scope, RouteScope::Link);
        assert_eq!(message.header.table, 0);
        assert!(
            !message
                .attributes
                .iter()
                .any(|entry| matches!(entry, RouteAttribute::Destination(_)))
        );
    }

    #[test]
    fn odd_payloads_are_errors() {
        for length in 0..HEADER {
            assert!(read(&vec![2; length]).is_err(), "{length}");
        }
        let mut payload = vec![2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];
        assert_eq!(
            read(&payload).expect("readable").map(|route| route.destination),
            Some("0.0.0.0/0".into())
        );
        payload.extend([6, 0, 1, 0, 1, 2, 0, 0]);
        assert!(read(&payload).is_err(), "an address of two bytes");
    }
}
