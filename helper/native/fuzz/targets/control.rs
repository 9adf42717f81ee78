//! Reads from a socket of a peer that sends bytes and descriptors as the input says: the bytes arrive, the sender is
//! this process, and no descriptor stays.

#![no_main]

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use libfuzzer_sys::fuzz_target;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sallyport_native_fuzz::choices::Choices;
use sallyport_native_fuzz::endpoint::control::{pass_credentials, receive};

/// `SCM_MAX_FD` of the kernel.
const MOST: usize = 253;

fn send(socket: &UnixStream, bytes: &[u8], passed: &[BorrowedFd<'_>]) -> bool {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(passed)));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags).is_ok_and(|sent| sent == bytes.len())
}

/// The number that the next descriptor will have: it grows when one stays open.
fn next_descriptor() -> i32 {
    UnixStream::pair().expect("a pair").0.as_raw_fd()
}

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let before = next_descriptor();
    {
        let (theirs, ours) = UnixStream::pair().expect("a pair");
        let knows_sender = choices.byte() % 4 != 0;
        if knows_sender {
            pass_credentials(&ours).expect("an option");
        }
        let mut buffer = vec![0; 1 + usize::from(choices.byte())];
        let (mut sent, mut got): (Vec<u8>, Vec<u8>) = Default::default();
        let (mut passed_any, mut seen_any) = (false, false);
        let mut closed = false;
        while !closed {
            let step = choices.byte();
            if choices.is_empty() {
                drop(theirs.shutdown(std::net::Shutdown::Write));
                closed = true;
            } else {
                let count = if step & 0x40 == 0 {
                    0
                } else {
                    usize::from(choices.byte()) % (MOST + 1)
                };
                let bytes = choices.bytes(1 + usize::from(step & 0x3f));
                if !bytes.is_empty() && send(&theirs, bytes, &vec![theirs.as_fd(); count]) {
                    sent.extend(bytes);
                    passed_any |= count > 0;
                }
            }
            if step & 0x80 != 0 && !closed {
                continue;
            }
            while let Ok(received) = receive(ours.as_fd(), &mut buffer) {
                seen_any |= received.descriptors;
                if received.length == 0 {
                    assert!(closed);
                    break;
                }
                got.extend(&buffer[..received.length]);
                let pid = knows_sender.then(|| i32::try_from(std::process::id()).expect("a pid"));
                assert_eq!(received.sender.map(|sender| sender.pid), pid);
            }
        }
        assert_eq!(got, sent);
        assert_eq!(seen_any, passed_any);
    }
    assert_eq!(next_descriptor(), before, "a descriptor stayed open");
});
