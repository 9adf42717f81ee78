//! The device's UDP sockets: one per address family, many datagrams per system call.

mod receive;
mod send;

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use gotatun::udp::{UdpTransportFactory, UdpTransportFactoryParams};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::counters::Counters;
use super::locked;
use super::watch::Witness;
use receive::Receiver;
use send::Sender;

/// Wanted size of each socket's buffers, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;
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

/// Room for one ancillary item, aligned for its header.
#[derive(Clone, Copy, Default)]
struct Control([u64; 4]);

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
