//! A PKCS#12 file that anybody may send: an identity or an error, within bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::pkcs12::password::Password;
use sallyport_native_fuzz::pkcs12::read::read;

fuzz_target!(|input: &[u8]| {
    let password = Password::new(b"fuzz".to_vec().into()).expect("UTF-8");
    let _ = read(input, &password);
});
