//! polkit: whether a process may do something (org.freedesktop.PolicyKit1.Authority, polkit(8)).
//!
//! A question may stay open for minutes while a person looks for a password, so questions run beside each other on
//! one thread, over one connection that is made when it is needed and again after it broke. The bus starts polkitd
//! if it is not running: a machine that has polkit has it on demand.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use super::error::{Code, Result, error};
use super::polkit_question::{Answer, Link, Outcome, Question, ask};

/// Open questions at once. The system bus lets a connection wait for 128 answers by default.
const QUESTIONS_MAX: usize = 100;
/// A question for polkit.
#[napi(object, object_to_js = false)]
pub struct PolkitQuestion {
    /// The process that wants to do something.
    pub pid: u32,
    /// Its start, in clock ticks since boot, in decimal (field 22 of /proc/PID/stat): polkitd compares.
    pub start_time: String,
    /// Its uid, as the kernel named it: polkitd takes it as it is given.
    pub uid: u32,
    /// The action's id.
    pub action_id: String,
    /// Whether a person may be asked for a password.
    pub interactive: bool,
}

/// polkit's answer.
#[napi(object, object_from_js = false)]
pub struct PolkitAnswer {
    /// Which question it answers.
    pub id: u32,
    /// `authorized`; `challenge`: a person would have to be asked and was not; `denied`; `dismissed`: the dialog was
    /// closed or the question taken back; `refused`: polkitd does not answer such a question, `message` says why;
    /// `failed`: there is no answer, or one that makes no sense.
    #[napi(ts_type = "'authorized' | 'challenge' | 'denied' | 'dismissed' | 'refused' | 'failed'")]
    pub outcome: String,
    /// Of `refused` and `failed`; otherwise empty.
    pub message: String,
}

/// Called from the event loop with each answer; does not keep Node alive.
type OnAnswer = ThreadsafeFunction<PolkitAnswer, (), PolkitAnswer, Status, false, true>;

enum Command {
    Check(u32, Question),
    Cancel(u32),
    Done(u32),
}

/// Asks polkit, many questions at once. It does not keep the process alive.
#[napi]
pub struct Polkit {
    running: Option<(mpsc::UnboundedSender<Command>, JoinHandle<()>)>,
}

#[napi]
impl Polkit {
    /// Starts a thread that waits for questions; the bus is looked for at the first one. `onAnswer` is called once
    /// for each question, unless `stop` comes first. Throws `BUS_FAILED`.
    #[napi(factory, catch_unwind)]
    pub fn start(
        #[napi(ts_arg_type = "(answer: PolkitAnswer) => void")] on_answer: Function<PolkitAnswer, ()>,
    ) -> Result<Self> {
        let callback: OnAnswer = on_answer
            .build_threadsafe_function()
            .callee_handled::<false>()
            .weak::<true>()
            .build()
            .map_err(|cause| error(Code::Invalid, format!("onAnswer: {}", cause.reason)))?;
        let report = move |id, answer: Answer| {
            let answer = PolkitAnswer {
                id,
                outcome: answer.outcome.name().into(),
                message: answer.message,
            };
            callback.call(answer, ThreadsafeFunctionCallMode::NonBlocking);
        };
        let (commands, received) = mpsc::unbounded_channel();
        let own = commands.downgrade();
        let failed = |cause| error(Code::Failed, format!("start asking polkit: {cause}"));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let thread = thread::Builder::new()
            .name("polkit".into())
            .spawn(move || {
                runtime.block_on(serve(received, own, Arc::new(report)));
                // Dialogs that are open close when polkitd sees that the connection is gone.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self {
            running: Some((commands, thread)),
        })
    }

    /// Asks. `id` is the caller's, and not that of a question that is open. Throws `INVALID` for a question that
    /// cannot be asked.
    #[napi(catch_unwind)]
    pub fn check(&self, id: u32, question: PolkitQuestion) -> Result<()> {
        let question = checked(question)?;
        self.send(Command::Check(id, question))
    }

    /// Takes a question back: its dialog closes, and it is answered with `dismissed` unless another answer was
    /// faster. One that is not open is left alone.
    #[napi(catch_unwind)]
    pub fn cancel(&self, id: u32) -> Result<()> {
        self.send(Command::Cancel(id))
    }

    /// Ends everything; no answer comes any more. A second stop does nothing.
    #[napi(catch_unwind)]
    pub fn stop(&mut self) {
        if let Some((commands, thread)) = self.running.take() {
            drop(commands);
            let _ = thread.join();
        }
    }

    fn send(&self, command: Command) -> Result<()> {
        let stopped = || error(Code::Failed, "polkit is not asked any more: this was stopped");
        let (commands, _) = self.running.as_ref().ok_or_else(stopped)?;
        commands.send(command).map_err(|_| stopped())
    }
}

impl Drop for Polkit {
    fn drop(&mut self) {
        self.stop();
    }
}

fn checked(question: PolkitQuestion) -> Result<Question> {
    let invalid = |what: String| error(Code::Invalid, what);
    let is_id = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    if question.action_id.is_empty()
        || question.action_id.len() > 255
        || !question.action_id.chars().all(is_id)
    {
        return Err(invalid(format!("{:?} is no action", question.action_id)));
    }
    let start_time = question
        .start_time
        .parse()
        .map_err(|_| invalid(format!("{:?} is no start time", question.start_time)))?;
    let uid =
        i32::try_from(question.uid).map_err(|_| invalid(format!("polkit knows no uid {}", question.uid)))?;
    // 0 would be whoever asks.
    if question.pid == 0 {
        return Err(invalid("0 is no process".into()));
    }
    Ok(Question {
        pid: question.pid,
        start_time,
        uid,
        action_id: question.action_id,
        interactive: question.interactive,
    })
}

/// Takes commands until JavaScript drops its end.
async fn serve<R>(
    mut commands: mpsc::UnboundedReceiver<Command>,
    own: mpsc::WeakUnboundedSender<Command>,
    report: Arc<R>,
) where
    R: Fn(u32, Answer) + Send + Sync + 'static,
{
    let link = Arc::new(Link::default());
    let mut open: HashMap<u32, oneshot::Sender<()>> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Check(id, _) if open.len() >= QUESTIONS_MAX || open.contains_key(&id) => {
                let message = format!("question {id} is open already, or {QUESTIONS_MAX} others are");
                report(
                    id,
                    Answer {
                        outcome: Outcome::Failed,
                        message,
                    },
                );
            }
            Command::Check(id, question) => {
                let (cancel, cancelled) = oneshot::channel();
                open.insert(id, cancel);
                let (link, own, report) = (Arc::clone(&link), own.clone(), Arc::clone(&report));
                tokio::spawn(async move {
                    let answer = ask(&link, id, &question, cancelled).await;
                    // First, so that whoever was answered may use the number again.
                    if let Some(own) = own.upgrade() {
                        let _ = own.send(Command::Done(id));
                    }
                    report(id, answer);
                });
            }
            Command::Cancel(id) => drop(open.remove(&id).map(|cancel| cancel.send(()))),
            Command::Done(id) => drop(open.remove(&id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(pid: u32, start_time: &str, uid: u32, action_id: &str) -> PolkitQuestion {
        PolkitQuestion {
            pid,
            start_time: start_time.into(),
            uid,
            action_id: action_id.into(),
            interactive: false,
        }
    }

    #[test]
    fn questions_are_checked() {
        let good =
            checked(question(7, "18446744073709551615", 1000, "org.example.read-log")).expect("a question");
        assert_eq!((good.pid, good.start_time, good.uid), (7, u64::MAX, 1000));
        assert!(checked(question(0, "1", 1000, "org.example.use")).is_err());
        assert!(checked(question(7, "-1", 1000, "org.example.use")).is_err());
        assert!(checked(question(7, "", 1000, "org.example.use")).is_err());
        assert!(checked(question(7, "1", u32::MAX, "org.example.use")).is_err());
        assert!(checked(question(7, "1", 1000, "")).is_err());
        assert!(checked(question(7, "1", 1000, "a\0b")).is_err());
        assert!(checked(question(7, "1", 1000, &"a".repeat(256))).is_err());
    }
}
