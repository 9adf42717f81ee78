//! A file of the secret store: what was not sealed under this key and name does not open.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::choices::Choices;
use sallyport_native_fuzz::keychain::locked::LockedKey;
use sallyport_native_fuzz::keychain::vault::{Unsealing, is_sealed, seal, unseal};

fuzz_target!(|input: &[u8]| {
    // Nothing is ever sealed under this one: the fuzzer would learn it from what is compared.
    let unused = LockedKey::copy(&[0x17; 32]).expect("a page");
    match unseal(&unused, "secret/fuzz", input) {
        Ok(_) => panic!("sixteen bytes of a tag were guessed"),
        Err(Unsealing::NotSealed) => assert!(!is_sealed(input)),
        Err(_) => assert!(is_sealed(input)),
    }
    let key = LockedKey::copy(&[0x42; 32]).expect("a page");
    let mut choices = Choices::new(input);
    let changes = choices.byte() % 4;
    let places: Vec<(u16, u8)> = (0..changes).map(|_| (choices.word(), choices.byte())).collect();
    let plain = choices.rest();
    let sealed = seal(&key, "secret/fuzz", plain).expect("random bytes");
    let mut changed = sealed.clone();
    for (place, bits) in places {
        let place = usize::from(place) % changed.len();
        changed[place] ^= bits;
    }
    match unseal(&key, "secret/fuzz", &changed) {
        Ok(opened) => assert!(changed == sealed && *opened == plain),
        Err(_) => assert_ne!(changed, sealed),
    }
});
