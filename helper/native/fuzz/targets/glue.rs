//! Packets of anybody's making, glued: each frame that comes out counts what went in, and none is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::choices::Choices;
use sallyport_native_fuzz::tun::frame::{Glue, packets_in, parse};

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let mut glue = Glue::new(choices.byte() % 2 == 0);
    let mut previous: &[u8] = &[];
    while !choices.is_empty() && !glue.is_full() {
        let length = usize::from(choices.word()) % 2048;
        // The same bytes again make the flows that glueing is about.
        let packet = if length == 0 {
            previous
        } else {
            choices.bytes(length)
        };
        glue.add_if_whole(packet);
        previous = packet;
    }
    let added = glue.len();
    let Some(frames) = glue.take() else { return };
    let mut frames: Vec<Vec<u8>> = frames.map(<[u8]>::to_vec).collect();
    let packets: u64 = frames.iter().map(|frame| packets_in(frame).0).sum();
    assert_eq!(packets, added as u64);
    for frame in &mut frames {
        assert!(parse(frame).is_some(), "what is written could be read");
    }
});
