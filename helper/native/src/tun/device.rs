//! A TUN interface: opened, named, asked for its MTU, read and written one frame at a time.

use std::ffi::{c_char, c_int, c_uint};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::{Code, Result, error, system_error};

/// Longest name of a Linux interface, in bytes (`IFNAMSIZ` without its NUL).
pub const NAME_MAX: usize = 15;

// linux/if_tun.h
const TUNSETIFF: libc::Ioctl = 0x4004_54ca as libc::Ioctl;
const TUNSETOFFLOAD: libc::Ioctl = 0x4004_54d0 as libc::Ioctl;
const IFF_TUN_EXCL: c_int = 0x8000;
const OFFLOAD_CHECKSUM_AND_TCP: c_uint = 0x01 | 0x02 | 0x04;
const OFFLOAD_UDP: c_uint = 0x20 | 0x40;

/// A TUN interface that lives as long as this value.
///
/// Frames carry a virtio header (`IFF_VNET_HDR`): the kernel hands over TCP and, from Linux 6.2, UDP segments
/// of up to 64 KiB in one read and takes them in one write.
pub struct Device {
    descriptor: OwnedFd,
    /// A socket of the interface's network namespace, for `SIOCGIF…`.
    control: OwnedFd,
    name: String,
    index: u32,
    udp_offload: bool,
    in_use: Arc<AtomicBool>,
}

impl Device {
    /// Creates the interface `name`. It starts down and without addresses; an existing interface of that name
    /// is never joined.
    pub fn open(name: &str) -> Result<Self> {
        if !is_name(name) {
            return Err(error(
                Code::InvalidArgument,
                format!(
                    "an interface name has 1 to {NAME_MAX} characters of A-Z a-z 0-9 . _ -, not {name:?}"
                ),
            ));
        }
        // SAFETY: the path is a NUL-terminated literal.
        let raw = unsafe {
            libc::open(
                c"/dev/net/tun".as_ptr(),
                libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK,
            )
        };
        let descriptor = owned(raw).map_err(|cause| open_error(&cause))?;

        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | IFF_TUN_EXCL;
        let mut request = interface_request(name);
        // The field holds the 16 bits; IFF_TUN_EXCL is the sign bit.
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is.
        check(unsafe { libc::ioctl(descriptor.as_raw_fd(), TUNSETIFF, &mut request) })
            .map_err(|cause| create_error(name, &cause))?;

        let tried = format!("cannot set up interface {name}");
        let offload = |bits: c_uint| {
            // SAFETY: TUNSETOFFLOAD takes a plain integer.
            check(unsafe { libc::ioctl(descriptor.as_raw_fd(), TUNSETOFFLOAD, bits) })
        };
        let udp_offload = offload(OFFLOAD_CHECKSUM_AND_TCP | OFFLOAD_UDP).is_ok();
        if !udp_offload {
            offload(OFFLOAD_CHECKSUM_AND_TCP)
                .map_err(|cause| system_error(Code::TunFailed, &tried, &cause))?;
        }

        // SAFETY: socket() takes three integers.
        let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
        let control = owned(raw).map_err(|cause| system_error(Code::TunFailed, &tried, &cause))?;
        // SAFETY: SIOCGIFINDEX reads the name in `request` and writes the index there.
        check(unsafe {
            libc::ioctl(
                control.as_raw_fd(),
                libc::SIOCGIFINDEX as libc::Ioctl,
                &mut request,
            )
        })
        .map_err(|cause| system_error(Code::TunFailed, &tried, &cause))?;
        // SAFETY: SIOCGIFINDEX succeeded, so this member of the union is the one that was written.
        let index = unsafe { request.ifr_ifru.ifru_ifindex };
        let index = u32::try_from(index)
            .map_err(|_| error(Code::TunFailed, format!("interface {name} has no valid index")))?;

        Ok(Self {
            descriptor,
            control,
            name: name.to_owned(),
            index,
            udp_offload,
            in_use: Arc::default(),
        })
    }

    /// The name it was created with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kernel's index of the interface.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether UDP segments may be glued (Linux ≥ 6.2).
    pub fn udp_offload(&self) -> bool {
        self.udp_offload
    }

    /// The interface's MTU now, in bytes.
    pub fn mtu(&self) -> io::Result<u16> {
        let mut request = interface_request(&self.name);
        // SAFETY: SIOCGIFMTU reads the name in `request` and writes the MTU there.
        check(unsafe {
            libc::ioctl(
                self.control.as_raw_fd(),
                libc::SIOCGIFMTU as libc::Ioctl,
                &mut request,
            )
        })?;
        // SAFETY: SIOCGIFMTU succeeded, so this member of the union is the one that was written.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// Claims the packets for one data plane, until the claim is dropped.
    pub fn claim(self: &Arc<Self>) -> Result<Claim> {
        if self.in_use.swap(true, Ordering::AcqRel) {
            return Err(error(
                Code::TunBusy,
                format!(
                    "interface {} already carries a data plane: stop that one first",
                    self.name
                ),
            ));
        }
        Ok(Claim {
            device: Arc::clone(self),
            _free: Free(Arc::clone(&self.in_use)),
        })
    }

    /// Whether a data plane has claimed the device.
    pub fn in_use(&self) -> bool {
        self.in_use.load(Ordering::Acquire)
    }

    /// Reads one frame, virtio header first. `WouldBlock` when there is none.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the pointer and length describe `buffer`, which outlives the call.
        let read = unsafe {
            libc::read(
                self.descriptor.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        };
        usize::try_from(read).map_err(|_| io::Error::last_os_error())
    }

    /// Writes one frame, virtio header first.
    pub fn write(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and length describe `frame`, which outlives the call.
        let written = unsafe { libc::write(self.descriptor.as_raw_fd(), frame.as_ptr().cast(), frame.len()) };
        if written < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// The right to read and write a device's packets.
pub struct Claim {
    device: Arc<Device>,
    // Last, so that the device counts as free only once this claim's share of it is gone.
    _free: Free,
}

impl Claim {
    /// The claimed device.
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }
}

impl AsRawFd for Claim {
    fn as_raw_fd(&self) -> RawFd {
        self.device.descriptor.as_raw_fd()
    }
}

/// Frees the device when dropped.
struct Free(Arc<AtomicBool>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A claimed device registered with the runtime.
pub struct Port(AsyncFd<Claim>);

impl Port {
    /// Registers with the current runtime: call it inside one.
    pub fn new(claim: Claim) -> io::Result<Self> {
        // SAFETY: the claim keeps the device, and with it the descriptor, open and never exchanges it.
        Ok(Self(unsafe { AsyncFd::register(claim)? }))
    }

    /// The device behind the port.
    pub fn device(&self) -> &Arc<Device> {
        self.0.get_ref().device()
    }

    /// Waits for a frame and reads it.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // A deleted interface reports only an error event, which `READABLE` alone would sleep through.
        let interest = Interest::READABLE.add(Interest::ERROR);
        self.0
            .async_io(interest, |claim| claim.device().read(buffer))
            .await
    }

    /// Reads a frame if one is waiting.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.device().read(buffer)
    }
}

/// Whether an error of reading or writing means that the interface is gone for good.
pub fn is_lost(cause: &io::Error) -> bool {
    matches!(
        cause.raw_os_error(),
        Some(libc::EBADFD | libc::EBADF | libc::ENODEV | libc::ENXIO)
    )
}

/// Whether `name` can name an interface that this crate creates.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && name != "."
        && name != ".."
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: ifreq is plain data for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(NAME_MAX)) {
        *to = from as c_char;
    }
    request
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn owned(raw: RawFd) -> io::Result<OwnedFd> {
    check(raw)?;
    // SAFETY: the call that returned `raw` succeeded, and nobody else owns the descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn open_error(cause: &io::Error) -> crate::error::Error {
    let (code, remedy) = match cause.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => (
            Code::TunUnavailable,
            "; load the kernel module with `modprobe tun`",
        ),
        Some(libc::EACCES | libc::EPERM) => (Code::TunPermission, "; the helper has to run as root"),
        _ => (Code::TunFailed, ""),
    };
    error(code, format!("cannot open /dev/net/tun: {cause}{remedy}"))
}

fn create_error(name: &str, cause: &io::Error) -> crate::error::Error {
    let (code, remedy) = match cause.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => (Code::TunBusy, "; an interface of that name exists"),
        Some(libc::EACCES | libc::EPERM) => (Code::TunPermission, "; creating one takes CAP_NET_ADMIN"),
        _ => (Code::TunFailed, ""),
    };
    error(code, format!("cannot create interface {name}: {cause}{remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "tun0", "sp-1.example", "ABCDEFGHIJKLMNO", "_", "-"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "ABCDEFGHIJKLMNOP",
            "a/b",
            "a b",
            "a%d",
            "a:b",
            "ä",
            "a\0",
            "a\n",
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let code = |number| open_error(&io::Error::from_raw_os_error(number)).status;
        assert_eq!(code(libc::ENOENT), Code::TunUnavailable);
        assert_eq!(code(libc::EACCES), Code::TunPermission);
        assert_eq!(code(libc::EMFILE), Code::TunFailed);
        let busy = create_error("x", &io::Error::from_raw_os_error(libc::EBUSY));
        assert_eq!(busy.status, Code::TunBusy);
        assert!(busy.reason.contains("os error 16"), "{}", busy.reason);
    }
}
