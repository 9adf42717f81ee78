//! A stream of frames, cut anywhere: the same frames and the same end, whatever the cuts, and memory for what came.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sallyport_native_fuzz::choices::Choices;
use sallyport_native_fuzz::endpoint::frames::{Broken, Decoder, HEADER};
use sallyport_native_fuzz::memory::{Counting, peak_of};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Frames as the format's definition has them, and how the stream ends.
fn expected(mut stream: &[u8], limit: usize) -> (Vec<&[u8]>, Option<Broken>) {
    let mut frames = Vec::new();
    while let Some((header, rest)) = stream.split_first_chunk::<HEADER>() {
        let length = u32::from_be_bytes(*header) as usize;
        if length == 0 {
            return (frames, Some(Broken::Empty));
        }
        if length > limit {
            return (frames, Some(Broken::TooLarge));
        }
        if rest.len() < length {
            break;
        }
        let (frame, after) = rest.split_at(length);
        frames.push(frame);
        stream = after;
    }
    (frames, None)
}

fuzz_target!(|input: &[u8]| {
    let mut choices = Choices::new(input);
    let limit = [1, 5, 255, 4096, 1 << 20][usize::from(choices.byte()) % 5];
    let cut_count = usize::from(choices.byte()) % 16;
    let mut cuts: Vec<usize> = (0..cut_count).map(|_| usize::from(choices.word())).collect();
    let stream = choices.rest();
    cuts.retain(|cut| *cut < stream.len());
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();

    let (frames, end) = expected(stream, limit);
    let peak = peak_of(|| {
        let mut decoder = Decoder::new(limit);
        let mut sound = frames.iter();
        for pair in cuts.windows(2) {
            decoder.feed(&stream[pair[0]..pair[1]]);
            loop {
                match decoder.next() {
                    Ok(Some(payload)) => {
                        assert!((1..=limit).contains(&payload.len()));
                        assert_eq!(Some(&payload.as_slice()), sound.next());
                    }
                    Ok(None) => break,
                    Err(broken) => {
                        assert_eq!((Some(broken), sound.len()), (end, 0));
                        return;
                    }
                }
            }
        }
        assert_eq!((None, 0), (end, sound.len()));
        let whole: usize = frames.iter().map(|frame| HEADER + frame.len()).sum();
        assert_eq!(decoder.is_amid(), whole < stream.len());
    });
    // A growing vector is at most old and new, the new one twice the old; and one frame is handed out beside it.
    assert!(
        peak <= 4 * stream.len() + 64,
        "{peak} bytes for a stream of {}",
        stream.len()
    );
});
