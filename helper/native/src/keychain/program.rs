//! Runs a sealing program: bytes in, bytes out, both through pipes, in bounded time.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Code, Result, error, system_error};

/// Most of what the program says about a failure that is passed on, in bytes.
const COMPLAINT: usize = 300;
/// Largest input: less than any pipe holds, so that writing it never waits.
pub const INPUT_MAX: usize = 32 * 1024;

/// A program and its arguments; nothing secret among them.
pub struct Program<'a> {
    pub path: &'a str,
    pub arguments: &'a [String],
    pub timeout: Duration,
}

impl Program<'_> {
    /// Gives it `input`, fills `output` with what it prints, and returns how much that was.
    ///
    /// More output than there is room for, an exit code other than 0 and lateness are errors.
    pub fn run(&self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let deadline = Instant::now() + self.timeout;
        if input.len() > INPUT_MAX {
            return Err(self.failed("was given too much"));
        }
        let mut child = Command::new(self.path)
            .args(self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|cause| {
                system_error(Code::SealFailed, &format!("cannot start {}", self.path), &cause)
            })?;
        let result = self.converse(&mut child, input, output, deadline);
        // Whatever happened, no child is left behind.
        let _ = child.kill();
        let _ = child.wait();
        result
    }

    fn converse(
        &self,
        child: &mut Child,
        input: &[u8],
        output: &mut [u8],
        deadline: Instant,
    ) -> Result<usize> {
        let io = |cause: io::Error| {
            system_error(Code::SealFailed, &format!("cannot talk to {}", self.path), &cause)
        };
        if let Some(mut stdin) = child.stdin.take()
            && let Err(cause) = stdin.write_all(input)
            && cause.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(io(cause));
        }
        let mut stdout = child.stdout.take();
        let mut stderr = child.stderr.take();
        let (mut length, mut complaint) = (0, Vec::new());
        while stdout.is_some() || stderr.is_some() {
            let (out_ready, err_ready) = self.wait(stdout.as_ref(), stderr.as_ref(), deadline)?;
            if out_ready && let Some(pipe) = stdout.as_mut() {
                if length == output.len() {
                    // One byte more than fits, or the end.
                    if pipe.read(&mut [0]).map_err(io)? > 0 {
                        return Err(self.failed("printed more than was expected"));
                    }
                    stdout = None;
                } else {
                    match pipe.read(&mut output[length..]).map_err(io)? {
                        0 => stdout = None,
                        got => length += got,
                    }
                }
            }
            if err_ready && let Some(pipe) = stderr.as_mut() {
                let mut piece = [0; 512];
                match pipe.read(&mut piece).map_err(io)? {
                    0 => stderr = None,
                    got => complaint.extend(
                        piece[..got]
                            .iter()
                            .take(COMPLAINT - complaint.len().min(COMPLAINT)),
                    ),
                }
            }
        }
        loop {
            match child.try_wait().map_err(io)? {
                Some(status) if status.success() => return Ok(length),
                Some(status) => {
                    let said = String::from_utf8_lossy(&complaint)
                        .trim()
                        .escape_debug()
                        .to_string();
                    return Err(self.failed(&format!("ended with {status}: {said}")));
                }
                None if Instant::now() >= deadline => return Err(self.late()),
                None => sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Waits until one of them can be read or has ended.
    fn wait(
        &self,
        stdout: Option<&impl AsFd>,
        stderr: Option<&impl AsFd>,
        deadline: Instant,
    ) -> Result<(bool, bool)> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.late());
        }
        let timeout = Timespec::try_from(left).map_err(|_| self.late())?;
        let mut watched = Vec::with_capacity(2);
        watched.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        watched.extend(stderr.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => {
                return Err(system_error(
                    Code::SealFailed,
                    "cannot wait for a program",
                    &cause.into(),
                ));
            }
        }
        let mut ready = watched.iter().map(|one| !one.revents().is_empty());
        let out = stdout.is_some() && ready.next() == Some(true);
        let err = stderr.is_some() && ready.next() == Some(true);
        Ok((out, err))
    }

    fn late(&self) -> crate::error::Error {
        self.failed(&format!("did not end within {} s", self.timeout.as_secs_f32()))
    }

    fn failed(&self, what: &str) -> crate::error::Error {
        error(Code::SealFailed, format!("{} {what}", self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        path: &str,
        arguments: &[&str],
        input: &[u8],
        room: usize,
    ) -> std::result::Result<Vec<u8>, String> {
        let arguments: Vec<String> = arguments.iter().map(|&one| one.into()).collect();
        let program = Program {
            path,
            arguments: &arguments,
            timeout: Duration::from_millis(2000),
        };
        let mut output = vec![0; room];
        let length = program
            .run(input, &mut output)
            .map_err(|cause| cause.reason.clone())?;
        output.truncate(length);
        Ok(output)
    }

    #[test]
    fn passes_bytes_both_ways() {
        let input: Vec<u8> = (0..=255).cycle().take(INPUT_MAX).collect();
        assert_eq!(run("/bin/cat", &[], &input, INPUT_MAX), Ok(input));
        assert_eq!(run("/bin/true", &[], b"ignored", 8), Ok(Vec::new()));
    }

    #[test]
    fn gives_the_program_no_environment() {
        assert_eq!(run("/usr/bin/env", &[], b"", 100), Ok(Vec::new()));
    }

    #[test]
    fn says_what_failed() {
        assert!(run("/none", &[], b"", 8).is_err_and(|text| text.contains("cannot start /none")));
        assert!(
            run("/bin/sh", &["-c", "echo 'no\tway' >&2; exit 3"], b"", 8)
                .is_err_and(|text| text.contains(r"exit status: 3: no\tway"))
        );
        assert!(run("/bin/cat", &[], b"123456789", 8).is_err_and(|text| text.contains("more than")));
    }

    #[test]
    fn ends_a_program_that_takes_too_long_or_floods() {
        let started = Instant::now();
        assert!(run("/bin/sleep", &["60"], b"", 8).is_err_and(|text| text.contains("within 2 s")));
        assert!(run("/bin/sh", &["-c", "exec >&- 2>&-; sleep 60"], b"", 8).is_err());
        assert!(run("/usr/bin/yes", &[], b"", 4096).is_err_and(|text| text.contains("more than")));
        assert!(started.elapsed() < Duration::from_secs(8));
    }
}
