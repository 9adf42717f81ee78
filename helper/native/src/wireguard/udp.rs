//! The device's UDP sockets: one per address family, many datagrams per system call.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use gotatun::packet::{Packet, PacketBufPool};
use gotatun::udp::{UdpRecv, UdpSend, UdpTransportFactory, UdpTransportFactoryParams};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::counters::Counters;
use super::locked;
use super::message::{self, Kind};
use super::watch::Witness;

/// Wanted size of each socket's buffers, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;
/// Most datagrams of one `UDP_SEGMENT` send (`UDP_MAX_SEGMENTS` of older kernels).
const SEGMENTS_MAX: usize = 64;
/// Most bytes of one `UDP_SEGMENT` send: the largest UDP payload over IPv4.
const BURST_MAX: usize = 65_507;
/// Packets that the engine collects for one call of `send_many_to`.
const SEND_BATCH: usize = 128;
/// Messages of one `recvmmsg`, each up to 64 KiB of glued datagrams.
const RECEIVE_BATCH: usize = 8;
const RECEIVE_LENGTH: usize = 65_536;
/// How long a socket that reports errors is left alone.
const RECEIVE_PAUSE: Duration = Duration::from_millis(20);
/// How long binding waits for the sockets that the engine is letting go.
const RELEASE: Duration = Duration::from_secs(2);
/// How often a pair of sockets on one random port is tried.
const PORT_TRIES: usize = 16;

/// Both sockets of a device.
pub struct Sockets {
    v4: Family,
    /// `None` where the kernel has no IPv6.
    v6: Option<Family>,
    counters: Arc<Counters>,
    witness: Arc<Witness>,
    // Last, so that its end says that the descriptors are closed.
    _open: Arc<Open>,
}

/// Exists as long as a pair of sockets does.
pub struct Open;

struct Family {
    socket: UdpSocket,
    /// Cleared when the way out cannot take segmented sends.
    segments: AtomicBool,
}

impl Sockets {
    fn bind(
        port: u16,
        fwmark: Option<u32>,
        counters: Arc<Counters>,
        witness: Arc<Witness>,
    ) -> io::Result<Self> {
        let mut tries = PORT_TRIES;
        loop {
            let v4 = Family::bind((Ipv4Addr::UNSPECIFIED, port).into(), fwmark)?;
            let chosen = v4.socket.local_addr()?.port();
            match Family::bind((Ipv6Addr::UNSPECIFIED, chosen).into(), fwmark) {
                Ok(v6) => {
                    return Ok(Self {
                        v4,
                        v6: Some(v6),
                        counters,
                        witness,
                        _open: Arc::new(Open),
                    });
                }
                Err(cause) if lacks_ipv6(&cause) => {
                    return Ok(Self {
                        v4,
                        v6: None,
                        counters,
                        witness,
                        _open: Arc::new(Open),
                    });
                }
                // The random port was free for IPv4 only: take another.
                Err(cause) if port == 0 && cause.kind() == io::ErrorKind::AddrInUse && tries > 1 => {
                    tries -= 1
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    fn family(&self, to: SocketAddr) -> io::Result<&Family> {
        match to {
            SocketAddr::V4(_) => Ok(&self.v4),
            SocketAddr::V6(_) => self.v6.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into()),
        }
    }

    fn families(&self) -> impl Iterator<Item = &Family> {
        std::iter::once(&self.v4).chain(&self.v6)
    }

    /// Datagrams that the kernel dropped at the full receive queues of these sockets.
    pub fn overflowed(&self) -> u64 {
        self.families()
            .map(|family| overflowed(family.socket.as_raw_fd()))
            .sum()
    }

    async fn send_one(&self, datagram: &[u8], to: SocketAddr) {
        let sent = match self.family(to) {
            Ok(family) => family.socket.send_to(datagram, to).await,
            Err(cause) => Err(cause),
        };
        if sent.is_err() {
            self.counters.dropped.add(1);
        }
    }
}

impl Family {
    fn bind(address: SocketAddr, fwmark: Option<u32>) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM.nonblocking(),
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if let Some(mark) = fwmark {
            socket.set_mark(mark)?;
        }
        grow_buffers(&socket);
        // Without it (before Linux 5.0) datagrams just come one by one.
        let _ = set_option(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
        socket.bind(&address.into())?;
        let segments = AtomicBool::new(option_exists(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
        ));
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            segments,
        })
    }
}

/// The sockets in use, for whoever asks about them.
#[derive(Default)]
pub struct Current(Mutex<(Weak<Sockets>, Weak<Open>)>);

impl Current {
    fn set(&self, sockets: &Arc<Sockets>) {
        *locked(&self.0) = (Arc::downgrade(sockets), Arc::downgrade(&sockets._open));
    }

    /// The sockets, if there are any.
    pub fn get(&self) -> Option<Arc<Sockets>> {
        locked(&self.0).0.upgrade()
    }

    /// Waits until the sockets are closed: the engine's tasks that hold them end a moment later than it says.
    pub async fn closed(&self) {
        let open = locked(&self.0).1.clone();
        let deadline = Instant::now() + RELEASE;
        while open.strong_count() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Binds [`Sockets`] for the engine, whenever it asks.
pub struct Factory {
    pub counters: Arc<Counters>,
    pub witness: Arc<Witness>,
    pub current: Arc<Current>,
}

impl UdpTransportFactory for Factory {
    type Send = Sender;
    type Recv = Receiver;

    async fn bind(&mut self, params: &UdpTransportFactoryParams) -> io::Result<(Sender, Receiver)> {
        // The new ones may want the same port.
        self.current.closed().await;
        let sockets = Arc::new(Sockets::bind(
            params.port,
            params.fwmark.filter(|&mark| mark != 0),
            Arc::clone(&self.counters),
            Arc::clone(&self.witness),
        )?);
        self.current.set(&sockets);
        Ok((
            Sender(Arc::clone(&sockets)),
            Receiver {
                sockets,
                first_v6: false,
                pending: Vec::new(),
            },
        ))
    }
}

/// The sending half.
#[derive(Clone)]
pub struct Sender(Arc<Sockets>);

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

/// Room for one ancillary item, aligned for its header.
#[derive(Clone, Copy, Default)]
struct Control([u64; 4]);

/// The receiving half.
pub struct Receiver {
    sockets: Arc<Sockets>,
    /// Which socket is read first, in turn, so that neither starves.
    first_v6: bool,
    /// Datagrams that `recv_from` still owes.
    pending: Vec<(Packet, SocketAddr)>,
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

fn grow_buffers(socket: &Socket) {
    let descriptor = socket.as_raw_fd();
    let size = SOCKET_BUFFER as libc::c_int;
    // The forced variants pass the system's limit and take CAP_NET_ADMIN; without it the limit has to do.
    if set_option(descriptor, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, size).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if set_option(descriptor, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, size).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
}

fn set_option(
    descriptor: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            descriptor,
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as u32,
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn option_exists(descriptor: RawFd, level: libc::c_int, name: libc::c_int) -> bool {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointers and the length describe `value`, which outlives the call.
    unsafe { libc::getsockopt(descriptor, level, name, (&raw mut value).cast(), &raw mut length) == 0 }
}

fn overflowed(descriptor: RawFd) -> u64 {
    // linux/sock_diag.h: the ninth value of SO_MEMINFO is the number of drops.
    const SO_MEMINFO: libc::c_int = 55;
    const DROPS: usize = 8;
    let mut values = [0u32; 9];
    let mut length = size_of::<[u32; 9]>() as libc::socklen_t;
    // SAFETY: the pointers and the length describe `values`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { u64::from(values[DROPS]) } else { 0 }
}

fn lacks_ipv6(cause: &io::Error) -> bool {
    matches!(
        cause.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
    )
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
