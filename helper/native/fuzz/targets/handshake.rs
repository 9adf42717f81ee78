//! The first frame of a connection: only the nonce that was sent passes, in whatever pieces it comes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::choices::Choices;
use sallyport_native_fuzz::endpoint::handshake::{Greeting, Nonce};

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let nonce = Nonce::new().expect("random bytes");
    let (header, payload) = nonce.parts();
    let echo = [header, payload].concat();
    // A guess is the echo with some bytes changed, and then anything.
    let mut stream = echo.clone();
    for _ in 0..choices.byte() % 4 {
        let place = usize::from(choices.byte()) % stream.len();
        stream[place] ^= choices.byte();
    }
    stream.truncate(usize::from(choices.byte() % 64));
    let step = 1 + usize::from(choices.byte() % 60);
    stream.extend_from_slice(choices.rest());

    let mut greeting = Greeting::default();
    let mut taken = 0;
    for part in stream.chunks(step) {
        taken += part.len();
        match greeting.feed(part, &nonce) {
            Ok(None) => assert!(taken < echo.len()),
            Ok(Some(rest)) => {
                assert!(stream.starts_with(&echo));
                assert_eq!(rest, &stream[echo.len()..taken]);
                return;
            }
            Err(_) => {
                let seen = &stream[..taken.min(echo.len())];
                assert!(!echo.starts_with(seen));
                return;
            }
        }
    }
});
