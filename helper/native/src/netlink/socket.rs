//! One rtnetlink conversation on the calling thread, in the network namespace of that thread.

use std::io;
use std::time::Duration;

use netlink_packet_core::{
    DecodeError, ErrorBuffer, ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR,
    NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer, NetlinkMessage, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::error::{Code, Error, Result, refused, unreadable};
use super::value::{attributes, text};

/// The kernel answers within the call that asks; an answer that takes longer than this never comes.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a dump that changed underneath is begun again.
const DUMP_ATTEMPTS: u32 = 5;
/// Length of `struct nlmsghdr`, in bytes.
const MESSAGE_HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG`: the kernel's explanation of an error.
const ERROR_TEXT: u16 = 1;

/// A socket to the kernel's routing tables, for one call of JavaScript.
pub struct Connection {
    socket: Socket,
    sequence: u32,
}

/// What one pass of a dump came to.
enum Pass<T> {
    Whole(Vec<T>),
    Interrupted,
}

impl Connection {
    /// Opens a socket; it closes when dropped.
    pub fn open() -> Result<Self> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Errors carry the kernel's explanation instead of a copy of the request.
            socket.set_cap_ack(true)?;
            socket.set_ext_ack(true)?;
            set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
            Ok(socket)
        };
        let socket = open().map_err(|cause| refused("open a netlink socket", &cause, None))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends `message` and waits until the kernel has carried it out or refused it.
    pub fn change(&mut self, tried: &str, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        self.send(tried, message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        loop {
            for answer in self.receive(tried)? {
                if answer.kind == NLMSG_ERROR {
                    return verdict(tried, &answer);
                }
            }
        }
    }

    /// All entries of a kind; `read` gets a message's payload and may pass over an entry with `None`.
    pub fn dump<T>(
        &mut self,
        tried: &str,
        request: &RouteNetlinkMessage,
        mut read: impl FnMut(&[u8]) -> std::result::Result<Option<T>, DecodeError>,
    ) -> Result<Vec<T>> {
        for _ in 0..DUMP_ATTEMPTS {
            match self.dump_once(tried, request.clone(), &mut read)? {
                Pass::Whole(entries) => return Ok(entries),
                Pass::Interrupted => {}
            }
        }
        Err(Error::new(
            Code::Failed,
            format!("{tried}: the entries kept changing while they were read"),
        ))
    }

    fn dump_once<T>(
        &mut self,
        tried: &str,
        request: RouteNetlinkMessage,
        read: &mut impl FnMut(&[u8]) -> std::result::Result<Option<T>, DecodeError>,
    ) -> Result<Pass<T>> {
        self.send(tried, request, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut entries = Vec::new();
        let mut interrupted = false;
        loop {
            for answer in self.receive(tried)? {
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.kind {
                    NLMSG_DONE if interrupted => return Ok(Pass::Interrupted),
                    NLMSG_DONE => return Ok(Pass::Whole(entries)),
                    NLMSG_ERROR => verdict(tried, &answer)?,
                    NLMSG_OVERRUN => interrupted = true,
                    _ => entries.extend(read(&answer.payload).map_err(|cause| unreadable(tried, &cause))?),
                }
            }
        }
    }

    fn send(&mut self, tried: &str, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        self.sequence += 1;
        let mut packet = NetlinkMessage::from(message);
        packet.header.flags = flags;
        packet.header.sequence_number = self.sequence;
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .map_err(|cause| refused(tried, &cause, None))?;
        Ok(())
    }

    /// The next datagram's messages that answer the latest request.
    fn receive(&self, tried: &str) -> Result<Vec<Answer>> {
        let (bytes, sender) = loop {
            match self.socket.recv_from_full() {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Error::new(
                        Code::Failed,
                        format!("{tried}: the kernel did not answer"),
                    ));
                }
                other => break other.map_err(|cause| refused(tried, &cause, None))?,
            }
        };
        if sender.port_number() != 0 {
            return Ok(Vec::new());
        }
        let mut answers = split(&bytes).map_err(|cause| unreadable(tried, &cause))?;
        answers.retain(|answer| answer.sequence == self.sequence);
        Ok(answers)
    }
}

/// One message of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    kind: u16,
    flags: u16,
    sequence: u32,
    pub(super) payload: Vec<u8>,
}

/// The messages of one datagram. A length that does not fit is an error, never a panic or a loop.
pub(super) fn split(mut bytes: &[u8]) -> std::result::Result<Vec<Answer>, DecodeError> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let message = NetlinkBuffer::new_checked(&bytes)?;
        answers.push(Answer {
            kind: message.message_type(),
            flags: message.flags(),
            sequence: message.sequence_number(),
            payload: message.payload().to_vec(),
        });
        let length = (message.length() as usize)
            .next_multiple_of(4)
            .max(MESSAGE_HEADER);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(answers)
}

/// What an `NLMSG_ERROR` says: done, or why not.
pub(super) fn verdict(tried: &str, answer: &Answer) -> Result<()> {
    let message = ErrorBuffer::new_checked(&answer.payload)
        .and_then(|buffer| ErrorMessage::parse(&buffer))
        .map_err(|cause| unreadable(tried, &cause))?;
    let Some(code) = message.code else {
        return Ok(());
    };
    // Negative errno; not `to_io`, which overflows for the one number that has no positive counterpart.
    let cause = io::Error::from_raw_os_error(code.get().saturating_neg());
    let explanation = if answer.flags & NLM_F_ACK_TLVS == 0 {
        None
    } else {
        message.header.get(MESSAGE_HEADER..).and_then(|rest| {
            attributes(rest)
                .filter_map(std::result::Result::ok)
                .find(|(kind, _)| *kind == ERROR_TEXT)
        })
    };
    let explanation = explanation.map(|(_, value)| text(&value));
    Err(refused(tried, &cause, explanation.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = u32::try_from(MESSAGE_HEADER + payload.len()).expect("a short message");
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(1u32.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_datagram_is_split_into_its_messages() {
        let bytes = [message(16, 2, &[1, 2, 3, 4, 5]), message(3, 0, &[])].concat();
        let answers = split(&bytes).expect("two messages");
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0].payload, [1, 2, 3, 4, 5]);
        assert_eq!(answers[1].kind, NLMSG_DONE);
    }

    #[test]
    fn odd_lengths_end_in_errors() {
        let whole = message(16, 2, &[0; 20]);
        for end in 1..whole.len() {
            assert!(split(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut short = whole.clone();
        short[0] = 3;
        assert!(split(&short).is_err());
        assert!(split(&[0; 64]).is_err(), "a length of zero must not loop");
    }

    #[test]
    fn verdicts() {
        let answer = |payload: &[u8], flags| Answer {
            kind: 2,
            flags,
            sequence: 1,
            payload: payload.to_vec(),
        };
        let mut refusal = (-17i32).to_ne_bytes().to_vec();
        assert!(verdict("x", &answer(&[0; 20], 0)).is_ok());
        assert_eq!(
            verdict("x", &answer(&refusal, 0)).map_err(|error| error.status),
            Err(Code::Exists)
        );
        refusal.extend([0; MESSAGE_HEADER]);
        refusal.extend([8, 0, 1, 0, b'w', b'h', b'y', 0]);
        let error = verdict("x", &answer(&refusal, NLM_F_ACK_TLVS)).expect_err("a refusal");
        assert!(error.reason.ends_with(": why"), "{}", error.reason);
        assert_eq!(
            verdict("x", &answer(&[1, 2], 0)).map_err(|error| error.status),
            Err(Code::Failed)
        );
    }
}
