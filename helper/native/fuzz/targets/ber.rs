//! BER to DER: what comes out is DER already, and no larger than what went in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::pkcs12::ber::{join, to_der};

fuzz_target!(|input: &[u8]| {
    let _ = join(input);
    if let Ok(once) = to_der(input) {
        assert!(once.len() <= 2 * input.len() + 16);
        let twice = to_der(&once).expect("DER is BER");
        assert_eq!(*once, *twice);
    }
});
