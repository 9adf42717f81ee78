//! A datagram from the network: its kind follows from its first bytes and length, its mark from all of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::wireguard::message::{
    INITIATION_LENGTH, KEEPALIVE_LENGTH, Kind, RESPONSE_LENGTH, ReceiverMark, kind,
};

fuzz_target!(|input: &[u8]| {
    let found = kind(input);
    match found {
        None => {}
        Some(Kind::Initiation) => assert_eq!((input[0], input.len()), (1, INITIATION_LENGTH)),
        Some(Kind::Response) => assert_eq!((input[0], input.len()), (2, RESPONSE_LENGTH)),
        Some(Kind::CookieReply) => assert_eq!((input[0], input.len()), (3, 64)),
        Some(Kind::Keepalive) => assert_eq!((input[0], input.len()), (4, KEEPALIVE_LENGTH)),
        Some(Kind::Data) => assert!(input[0] == 4 && input.len() > KEEPALIVE_LENGTH),
    }
    assert!(found.is_none() || input[1..4] == [0, 0, 0]);
    // Nobody guesses sixteen bytes of a keyed hash.
    assert!(!ReceiverMark::new(&[7; 32]).is_on(input));
});
