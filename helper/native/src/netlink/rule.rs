//! Policy routing rules.

use ipnetwork::IpNetwork;
use napi_derive::napi;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::{Code, Error, Result, invalid};
use super::socket::Connection;
use super::value::{
    attributes, behind, family, family_number, ip, network, number, text, whole, whole_or_none,
};

/// Length of `struct fib_rule_hdr`, in bytes.
const HEADER: usize = 12;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PROTOCOL: u16 = 21;
/// The table of a rule that names none.
const MAIN_TABLE: u32 = 254;

/// A rule as the kernel has it.
#[napi(object, use_nullable = true, object_from_js = false)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// 4 or 6.
    #[napi(ts_type = "4 | 6")]
    pub family: u32,
    /// Lower is asked first.
    pub priority: u32,
    /// Packets with this mark; null for any.
    pub fwmark: Option<u32>,
    /// Bits of the mark that count; null without a mark.
    pub fwmark_mask: Option<u32>,
    /// Whether it holds for the packets that do *not* match.
    pub invert: bool,
    /// The table it leads to; null where it leads to none.
    pub table: Option<u32>,
    /// Routes of this prefix length or less are passed over; null for none.
    pub suppress_prefix_length: Option<u32>,
    /// Packets from this network; null for any.
    pub source: Option<String>,
    /// Packets to this network; null for any.
    pub destination: Option<String>,
    /// Packets that came in there; null for any.
    pub input_interface: Option<String>,
    /// Packets of sockets bound there; null for any.
    pub output_interface: Option<String>,
    /// `table`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit` or `other`.
    pub action: String,
    /// Who made it (`RTPROT_*` of rtnetlink(7)): 2 the kernel, 4 `static`, which is ours.
    pub protocol: u32,
}

/// A rule to add or remove.
#[napi(object, object_to_js = false)]
#[derive(Clone, Debug)]
pub struct RuleSpecification {
    /// 4 or 6.
    #[napi(ts_type = "4 | 6")]
    pub family: f64,
    /// Lower is asked first; 1 to 4294967295.
    pub priority: f64,
    /// Packets with this mark.
    pub fwmark: Option<f64>,
    /// Bits of the mark that count; all by default.
    pub fwmark_mask: Option<f64>,
    /// Holds for the packets that do *not* match.
    pub invert: Option<bool>,
    /// The table to ask; the main one by default.
    pub table: Option<f64>,
    /// Passes over routes of this prefix length or less: 0 hides default routes.
    pub suppress_prefix_length: Option<f64>,
    /// Packets from this network.
    pub source: Option<String>,
    /// Packets to this network.
    pub destination: Option<String>,
}

/// Reads one `RTM_NEWRULE` payload; `None` for families other than IP.
pub(super) fn read(payload: &[u8]) -> std::result::Result<Option<Rule>, DecodeError> {
    let header = RuleHeader::parse(payload)?;
    let Some(family) = family_number(header.family) else {
        return Ok(None);
    };
    let action = match header.action {
        RuleAction::ToTable => "table",
        RuleAction::Goto => "goto",
        RuleAction::Nop => "nop",
        RuleAction::Blackhole => "blackhole",
        RuleAction::Unreachable => "unreachable",
        RuleAction::Prohibit => "prohibit",
        _ => "other",
    };
    let mut table = u32::from(header.table);
    let mut rule = Rule {
        family,
        priority: 0,
        fwmark: None,
        fwmark_mask: None,
        invert: header.flags.contains(RuleFlags::Invert),
        table: None,
        suppress_prefix_length: None,
        source: None,
        destination: None,
        input_interface: None,
        output_interface: None,
        action: action.to_owned(),
        protocol: 0,
    };
    for attribute in attributes(behind(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            FRA_PRIORITY => rule.priority = number(&value)?,
            FRA_FWMARK => rule.fwmark = Some(number(&value)?),
            FRA_FWMASK => rule.fwmark_mask = Some(number(&value)?),
            FRA_TABLE => table = number(&value)?,
            // The kernel says "none" with all bits set.
            FRA_SUPPRESS_PREFIXLEN => {
                rule.suppress_prefix_length = Some(number(&value)?).filter(|length| *length != u32::MAX);
            }
            FRA_SRC => rule.source = Some(format!("{}/{}", ip(&value)?, header.src_len)),
            FRA_DST => rule.destination = Some(format!("{}/{}", ip(&value)?, header.dst_len)),
            FRA_IIFNAME => rule.input_interface = Some(text(&value)),
            FRA_OIFNAME => rule.output_interface = Some(text(&value)),
            FRA_PROTOCOL => rule.protocol = value.first().copied().map_or(0, u32::from),
            _ => {}
        }
    }
    if header.action == RuleAction::ToTable {
        rule.table = Some(table);
    }
    Ok(Some(rule))
}

/// A specification with every part checked.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    family: AddressFamily,
    priority: u32,
    mark: Option<(u32, u32)>,
    invert: bool,
    table: u32,
    suppress: Option<u32>,
    source: Option<IpNetwork>,
    destination: Option<IpNetwork>,
}

fn check(given: &RuleSpecification) -> Result<Checked> {
    let family = family(given.family)?;
    let side = |name: &str, text: &Option<String>| -> Result<Option<IpNetwork>> {
        let Some(text) = text else { return Ok(None) };
        let parsed = network(name, text)?;
        if parsed.is_ipv4() != (family == AddressFamily::Inet) {
            return Err(invalid(format!(
                "{name} {text:?} is not of the rule's address family"
            )));
        }
        // A network of everything is no condition, and the kernel keeps none.
        Ok(Some(parsed).filter(|network| network.prefix() > 0))
    };
    let mark = whole_or_none("fwmark", given.fwmark, 0, u32::MAX)?;
    let mask = whole_or_none("fwmarkMask", given.fwmark_mask, 1, u32::MAX)?;
    let mark = match (mark, mask) {
        (None, Some(_)) => return Err(invalid("fwmarkMask needs an fwmark")),
        (None, None) => None,
        (Some(mark), mask) => Some((mark, mask.unwrap_or(u32::MAX))),
    };
    if mark == Some((0, u32::MAX)) {
        return Err(invalid("an fwmark of 0 without a mask holds for every packet"));
    }
    let most = if family == AddressFamily::Inet { 32 } else { 128 };
    Ok(Checked {
        family,
        priority: whole("priority", given.priority, 1, u32::MAX)?,
        mark,
        invert: given.invert.unwrap_or(false),
        table: whole_or_none("table", given.table, 1, u32::MAX)?.unwrap_or(MAIN_TABLE),
        suppress: whole_or_none("suppressPrefixLength", given.suppress_prefix_length, 0, most)?,
        source: side("source", &given.source)?,
        destination: side("destination", &given.destination)?,
    })
}

impl Checked {
    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = self.family;
        message.header.action = RuleAction::ToTable;
        message.header.table = u8::try_from(self.table).unwrap_or(0);
        if self.invert {
            message.header.flags = RuleFlags::Invert;
        }
        let add = &mut message.attributes;
        add.push(RuleAttribute::Priority(self.priority));
        add.push(RuleAttribute::Table(self.table));
        add.push(RuleAttribute::Protocol(RouteProtocol::Static));
        if let Some((mark, mask)) = self.mark {
            add.push(RuleAttribute::FwMark(mark));
            add.push(RuleAttribute::FwMask(mask));
        }
        add.extend(self.suppress.map(RuleAttribute::SuppressPrefixLen));
        if let Some(network) = self.source {
            message.header.src_len = network.prefix();
            add.push(RuleAttribute::Source(network.ip()));
        }
        if let Some(network) = self.destination {
            message.header.dst_len = network.prefix();
            add.push(RuleAttribute::Destination(network.ip()));
        }
        message
    }

    /// Whether `rule` is the one that [`Self::message`] adds.
    fn is(&self, rule: &Rule) -> bool {
        let same =
            |network: Option<IpNetwork>, text: &Option<String>| network.map(|it| it.to_string()) == *text;
        let mark = rule
            .fwmark
            .map(|mark| (mark, rule.fwmark_mask.unwrap_or(u32::MAX)));
        Some(rule.family) == family_number(self.family)
            && rule.priority == self.priority
            && mark == self.mark
            && rule.invert == self.invert
            && rule.table == Some(self.table)
            && rule.suppress_prefix_length == self.suppress
            && same(self.source, &rule.source)
            && same(self.destination, &rule.destination)
            && rule.input_interface.is_none()
            && rule.output_interface.is_none()
    }
}

/// The rules of a family, in the order in which the kernel asks them.
#[napi(catch_unwind)]
pub fn rules(#[napi(ts_arg_type = "4 | 6")] family: f64) -> Result<Vec<Rule>> {
    let mut message = RuleMessage::default();
    message.header.family = self::family(family)?;
    Connection::open()?.dump("list rules", &RouteNetlinkMessage::GetRule(message), read)
}

/// Adds a rule, marked `static`. Throws `EXISTS` when the very same is there.
#[napi(catch_unwind)]
pub fn rule_add(rule: RuleSpecification) -> Result<()> {
    let checked = check(&rule)?;
    let tried = format!("add the rule of priority {}", checked.priority);
    let message = RouteNetlinkMessage::NewRule(checked.message());
    Connection::open()?.change(&tried, message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Removes the rule that `ruleAdd` added with the same words. Throws `NOT_FOUND` when there is none, and
/// `INVALID` when the kernel would take another of the same priority in its place.
#[napi(catch_unwind)]
pub fn rule_remove(rule: RuleSpecification) -> Result<()> {
    let checked = check(&rule)?;
    let tried = format!("remove the rule of priority {}", checked.priority);
    // To the kernel a condition that is not named matches anything, and it takes the first that fits.
    let mut rivals = rules(rule.family)?;
    rivals.retain(|entry| entry.priority == checked.priority && entry.table == Some(checked.table));
    match rivals.iter().position(|entry| checked.is(entry)) {
        None => Err(Error::new(
            Code::NotFound,
            format!("{tried}: there is none like it"),
        )),
        Some(0) => Connection::open()?.change(&tried, RouteNetlinkMessage::DelRule(checked.message()), 0),
        Some(_) => Err(invalid(format!(
            "{tried}: another rule of that priority and table stands before it; give each a priority of its own"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> RuleSpecification {
        RuleSpecification {
            family: 4.0,
            priority: 100.0,
            fwmark: None,
            fwmark_mask: None,
            invert: None,
            table: None,
            suppress_prefix_length: None,
            source: None,
            destination: None,
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert_eq!(
            check(&given()).map(|checked| checked.table).ok(),
            Some(MAIN_TABLE)
        );
        assert!(
            check(&RuleSpecification {
                family: 5.0,
                ..given()
            })
            .is_err()
        );
        assert!(
            check(&RuleSpecification {
                priority: 0.0,
                ..given()
            })
            .is_err()
        );
        assert!(
            check(&RuleSpecification {
                fwmark: Some(0.0),
                ..given()
            })
            .is_err()
        );
        assert!(
            check(&RuleSpecification {
                fwmark_mask: Some(1.0),
                ..given()
            })
            .is_err()
        );
        assert!(
            check(&RuleSpecification {
                source: Some("::/0".into()),
                ..given()
            })
            .is_err()
        );
        assert!(
            check(&RuleSpecification {
                suppress_prefix_length: Some(33.0),
                ..given()
            })
            .is_err()
        );
    }

    #[test]
    fn reads_what_it_writes() {
        use netlink_packet_core::Emitable;
        let checked = check(&RuleSpecification {
            fwmark: Some(51_820.0),
            invert: Some(true),
            table: Some(51_820.0),
            suppress_prefix_length: Some(0.0),
            source: Some("10.0.0.0/8".into()),
            ..given()
        })
        .expect("a rule");
        let message = checked.message();
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let rule = read(&bytes).expect("readable").expect("a rule");
        assert!(checked.is(&rule), "{rule:?}");
        assert!(!checked.is(&Rule {
            invert: false,
            ..rule.clone()
        }));
        assert!(!checked.is(&Rule {
            input_interface: Some("lo".into()),
            ..rule
        }));
    }

    #[test]
    fn odd_payloads_are_errors() {
        for length in 0..HEADER {
            assert!(read(&vec![2; length]).is_err(), "{length}");
        }
        assert_eq!(read(&[128; HEADER]).expect("readable"), None);
    }
}
