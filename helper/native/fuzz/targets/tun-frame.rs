//! A frame as the kernel could hand it over: whatever it says of itself, only whole packets come out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::tun::frame::{Content, packets_in, parse};

fuzz_target!(|input: &[u8]| {
    let _ = packets_in(input);
    let mut frame = input.to_vec();
    match parse(&mut frame) {
        None => {}
        Some(Content::Packet(packet)) => {
            assert!(sallyport_native_fuzz::ip::is_whole(packet));
        }
        Some(Content::Segments(segments)) => {
            let (count, length) = (segments.count, segments.length);
            assert!(count > 0 && length > 0);
            let mut out = vec![vec![0; length]; count];
            let mut lengths = vec![0; count];
            if let Some(made) = segments.split(&mut out, &mut lengths) {
                assert!(made <= count);
                assert!(lengths[..made].iter().all(|one| *one <= length));
            }
        }
    }
});
