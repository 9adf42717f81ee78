//! The kernel's answers, read as each kind of message there is.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sallyport_native_fuzz::netlink::read(input));
