//! Receiving: several messages a call, each of several glued datagrams.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use gotatun::packet::{Packet, PacketBufPool};
use gotatun::udp::UdpRecv;
use tokio::io::Interest;
use tokio::time::sleep;

use super::super::message::{self, Kind};
use super::{Control, Sockets};

/// Messages of one `recvmmsg`, each up to 64 KiB of glued datagrams.
const RECEIVE_BATCH: usize = 8;
const RECEIVE_LENGTH: usize = 65_536;
/// How long a socket that reports errors is left alone.
const RECEIVE_PAUSE: Duration = Duration::from_millis(20);

/// The receiving half.
pub struct Receiver {
    pub(super) sockets: Arc<Sockets>,
    /// Which socket is read first, in turn, so that neither starves.
    pub(super) first_v6: bool,
    /// Datagrams that `recv_from` still owes.
    pub(super) pending: Vec<(Packet, SocketAddr)>,
}

/// Where `recvmmsg` puts glued datagrams. Pages are touched only as far as datagrams fill them.
pub struct ReceiveBuffer(Vec<u8>);

impl Default for ReceiveBuffer {
    fn default() -> Self {
        Self(vec![0; RECEIVE_BATCH * RECEIVE_LENGTH])
    }
}

impl UdpRecv for Receiver {
    type RecvManyBuf = ReceiveBuffer;

    async fn recv_from(&mut self, pool: &mut PacketBufPool) -> io::Result<(Packet, SocketAddr)> {
        let mut buffer = ReceiveBuffer::default();
        loop {
            if let Some(datagram) = self.pending.pop() {
                return Ok(datagram);
            }
            let mut received = Vec::new();
            self.recv_many_from(&mut buffer, pool, &mut received).await?;
            received.reverse();
            self.pending = received;
        }
    }

    async fn recv_many_from(
        &mut self,
        buffer: &mut ReceiveBuffer,
        pool: &mut PacketBufPool,
        packets: &mut Vec<(Packet, SocketAddr)>,
    ) -> io::Result<()> {
        let Sockets {
            v4,
            v6,
            counters,
            witness,
            ..
        } = &*self.sockets;
        loop {
            self.first_v6 = !self.first_v6;
            let mut failed = false;
            let order = if self.first_v6 {
                [v6.as_ref(), Some(v4)]
            } else {
                [Some(v4), v6.as_ref()]
            };
            for family in order.into_iter().flatten() {
                let descriptor = family.socket.as_raw_fd();
                let received = family.socket.try_io(Interest::READABLE, || {
                    receive(descriptor, &mut buffer.0, |datagram, from| {
                        match message::kind(datagram) {
                            None => return counters.malformed_from_network.add(1),
                            Some(Kind::Data) => counters.data_messages.add(1),
                            Some(Kind::Keepalive | Kind::CookieReply) => {}
                            Some(Kind::Initiation | Kind::Response) => witness.handshake_received(),
                        }
                        let mut packet = pool.get();
                        packet.buf_mut().clear();
                        packet.buf_mut().extend_from_slice(datagram);
                        packets.push((packet, from));
                    })
                });
                match received {
                    Ok(()) => {}
                    Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                    // An error here would end the device for good; the socket's own errors pass.
                    Err(_) => failed = true,
                }
            }
            if !packets.is_empty() {
                witness.received();
                return Ok(());
            }
            if failed {
                sleep(RECEIVE_PAUSE).await;
                continue;
            }
            match v6 {
                Some(v6) => tokio::select! {
                    ready = v4.socket.readable() => ready?,
                    ready = v6.socket.readable() => ready?,
                },
                None => v4.socket.readable().await?,
            }
        }
    }
}

/// Receives what is waiting, up to [`RECEIVE_BATCH`] messages, and hands out every datagram in them.
fn receive(descriptor: RawFd, buffer: &mut [u8], mut take: impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
    // SAFETY: both are plain data for which all zeros is a valid value.
    let mut headers: [libc::mmsghdr; RECEIVE_BATCH] = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut names: [libc::sockaddr_storage; RECEIVE_BATCH] = unsafe { std::mem::zeroed() };
    let mut controls = [Control::default(); RECEIVE_BATCH];
    let mut parts = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; RECEIVE_BATCH];
    for (i, room) in buffer
        .chunks_exact_mut(RECEIVE_LENGTH)
        .enumerate()
        .take(RECEIVE_BATCH)
    {
        parts[i] = libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        let header = &mut headers[i].msg_hdr;
        header.msg_name = (&raw mut names[i]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
        header.msg_iov = &raw mut parts[i];
        header.msg_iovlen = 1;
        header.msg_control = controls[i].0.as_mut_ptr().cast();
        header.msg_controllen = size_of::<Control>() as _;
    }
    // SAFETY: every pointer in `headers` leads to memory of the stated length that outlives the call.
    let got = unsafe {
        libc::recvmmsg(
            descriptor,
            headers.as_mut_ptr(),
            RECEIVE_BATCH as u32,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    for (i, room) in buffer.chunks_exact(RECEIVE_LENGTH).enumerate().take(got) {
        let Some(from) = address(&names[i]) else { continue };
        let bytes = &room[..(headers[i].msg_len as usize).min(RECEIVE_LENGTH)];
        match glued_length(&headers[i].msg_hdr) {
            Some(length) => bytes.chunks(length).for_each(|datagram| take(datagram, from)),
            None => take(bytes, from),
        }
    }
    Ok(())
}

/// The length of each datagram, the last aside, if the kernel glued several.
fn glued_length(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: recvmmsg filled in the header and its control buffer, which is still alive; the CMSG macros stay
    // within the length it wrote, and a UDP_GRO item carries an int.
    let length = unsafe {
        let mut item = libc::CMSG_FIRSTHDR(header);
        loop {
            let found = item.as_ref()?;
            if found.cmsg_level == libc::SOL_UDP && found.cmsg_type == libc::UDP_GRO {
                break libc::CMSG_DATA(item).cast::<libc::c_int>().read_unaligned();
            }
            item = libc::CMSG_NXTHDR(header, item);
        }
    };
    usize::try_from(length).ok().filter(|&length| length > 0)
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage, which is larger and aligned, holds a sockaddr_in.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(name.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage, which is larger and aligned, holds a sockaddr_in6.
            let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            // The scope matters for link-local peers.
            Some(std::net::SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}
