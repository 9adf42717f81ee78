//! Sending: runs of datagrams to one address go out with one `UDP_SEGMENT` call.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gotatun::packet::Packet;
use gotatun::udp::UdpSend;
use socket2::SockAddr;
use tokio::io::Interest;

use super::{Control, Sockets, set_option};

/// Most datagrams of one `UDP_SEGMENT` send (`UDP_MAX_SEGMENTS` of older kernels).
const SEGMENTS_MAX: usize = 64;
/// Most bytes of one `UDP_SEGMENT` send: the largest UDP payload over IPv4.
const BURST_MAX: usize = 65_507;
/// Packets that the engine collects for one call of `send_many_to`.
const SEND_BATCH: usize = 128;

/// The sending half.
#[derive(Clone)]
pub struct Sender(pub(super) Arc<Sockets>);

impl UdpSend for Sender {
    type SendManyBuf = ();

    async fn send_to(&self, packet: Packet, to: SocketAddr) -> io::Result<()> {
        self.0.witness.sent(&packet);
        self.0.send_one(&packet, to).await;
        Ok(())
    }

    fn max_number_of_packets_to_send(&self) -> usize {
        SEND_BATCH
    }

    async fn send_many_to(&self, _: &mut (), packets: &mut Vec<(Packet, SocketAddr)>) -> io::Result<()> {
        let mut rest = packets.as_slice();
        while let Some((_, to)) = rest.first() {
            let (run, after) = rest.split_at(run_length(rest.iter().map(|(packet, to)| (packet.len(), *to))));
            rest = after;
            run.iter().for_each(|(packet, _)| self.0.witness.sent(packet));
            if run.len() > 1 && self.send_run(run, *to).await {
                continue;
            }
            for (packet, _) in run {
                self.0.send_one(packet, *to).await;
            }
        }
        packets.clear();
        Ok(())
    }

    fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.0.v4.socket.local_addr().map(Some)
    }

    fn set_fwmark(&self, mark: u32) -> io::Result<()> {
        for family in self.0.families() {
            set_option(
                family.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MARK,
                mark.cast_signed(),
            )?;
        }
        Ok(())
    }
}

impl Sender {
    /// Sends a run in one call. `false`: nothing was sent, and the datagrams have to go one by one.
    async fn send_run(&self, run: &[(Packet, SocketAddr)], to: SocketAddr) -> bool {
        let Ok(family) = self.0.family(to) else {
            return false;
        };
        if !family.segments.load(Ordering::Relaxed) {
            return false;
        }
        let descriptor = family.socket.as_raw_fd();
        let address = SockAddr::from(to);
        let sent = family
            .socket
            .async_io(Interest::WRITABLE, || send_segments(descriptor, run, &address))
            .await;
        match sent {
            Ok(()) => true,
            // The way out has no checksum offload, which segmenting relies on: it never will.
            Err(cause) if cause.raw_os_error() == Some(libc::EIO) => {
                family.segments.store(false, Ordering::Relaxed);
                false
            }
            // A segment does not fit the path's MTU: fragments, one by one.
            Err(cause) if matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE)) => false,
            Err(_) => {
                self.0.counters.dropped.add(run.len() as u64);
                true
            }
        }
    }
}

/// How many of the first datagrams, given by length and destination, one segmented send can take: one
/// destination, equal lengths but for a shorter last one, and the kernel's bounds. At least 1.
fn run_length(datagrams: impl Iterator<Item = (usize, SocketAddr)>) -> usize {
    let mut datagrams = datagrams.take(SEGMENTS_MAX);
    let Some((segment, to)) = datagrams.next() else {
        return 0;
    };
    let (mut count, mut total) = (1, segment);
    for (length, other) in datagrams {
        if other != to || length > segment || total + length > BURST_MAX {
            break;
        }
        count += 1;
        total += length;
        if length < segment {
            break;
        }
    }
    count
}

fn send_segments(descriptor: RawFd, run: &[(Packet, SocketAddr)], to: &SockAddr) -> io::Result<()> {
    let segment = u16::try_from(run[0].0.len()).map_err(|_| io::Error::from_raw_os_error(libc::EMSGSIZE))?;
    let mut parts = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; SEGMENTS_MAX];
    for (part, (packet, _)) in parts.iter_mut().zip(run) {
        *part = libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        };
    }
    let mut control = Control::default();
    // SAFETY: msghdr is plain data for which all zeros is a valid value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = to.as_ptr().cast_mut().cast();
    header.msg_namelen = to.len();
    header.msg_iov = parts.as_mut_ptr();
    header.msg_iovlen = run.len().min(SEGMENTS_MAX) as _;
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: CMSG_SPACE only computes.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<u16>() as u32) } as _;
    // SAFETY: the control buffer is aligned for a cmsghdr and longer than the space for one u16, so the first
    // header exists and its data has room for that u16.
    unsafe {
        let item = libc::CMSG_FIRSTHDR(&header);
        (*item).cmsg_level = libc::SOL_UDP;
        (*item).cmsg_type = libc::UDP_SEGMENT;
        (*item).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(item).cast::<u16>().write_unaligned(segment);
    }
    // SAFETY: everything `header` points to outlives the call; the kernel only reads the parts.
    let sent = unsafe { libc::sendmsg(descriptor, &header, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if sent < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 51820))
    }

    fn run(datagrams: &[(usize, u8)]) -> usize {
        run_length(datagrams.iter().map(|&(length, last)| (length, to(last))))
    }

    #[test]
    fn runs_have_one_destination_and_one_length() {
        assert_eq!(run(&[]), 0);
        assert_eq!(run(&[(100, 1)]), 1);
        assert_eq!(run(&[(100, 1), (100, 1), (100, 1)]), 3);
        assert_eq!(run(&[(100, 1), (100, 2)]), 1);
        assert_eq!(run(&[(100, 1), (101, 1)]), 1);
    }

    #[test]
    fn a_shorter_one_ends_the_run() {
        assert_eq!(run(&[(100, 1), (60, 1), (60, 1)]), 2);
        assert_eq!(run(&[(100, 1), (100, 1), (60, 1), (100, 1)]), 3);
    }

    #[test]
    fn runs_are_bounded() {
        assert_eq!(run(&[(32, 1); 200]), SEGMENTS_MAX);
        assert_eq!(run(&[(1452, 1); 200]), BURST_MAX / 1452);
        assert_eq!(run(&[(40_000, 1); 2]), 1);
    }
}
