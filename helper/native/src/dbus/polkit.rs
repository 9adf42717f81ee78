//! polkit: whether a process may do something (org.freedesktop.PolicyKit1.Authority, polkit(8)).
//!
//! A question may stay open for minutes while a person looks for a password, so questions run beside each other on
//! one thread, over one connection that is made when it is needed and again after it broke. The bus starts polkitd
//! if it is not running: a machine that has polkit has it on demand.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::runtime::Builder;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use zbus::connection;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, Variant};

use super::PATIENCE;
use super::error::{Code, Result, error, refused};

const NAME: &str = "org.freedesktop.PolicyKit1";
const PATH: &str = "/org/freedesktop/PolicyKit1/Authority";
const INTERFACE: &str = "org.freedesktop.PolicyKit1.Authority";
/// The question was taken back, or the agent says that the person closed the dialog.
const CANCELLED: &str = "org.freedesktop.PolicyKit1.Error.Cancelled";
/// What the bus answers when polkitd does not; polkitd's own errors have other names, among them those that GLib
/// makes up, for instance when the process has ended.
const BUS_PREFIX: &str = "org.freedesktop.DBus.";
/// `AllowUserInteraction` of `CheckAuthorizationFlags`.
const ALLOW_USER_INTERACTION: u32 = 1;
/// Open questions at once. The system bus lets a connection wait for 128 answers by default.
const QUESTIONS_MAX: usize = 100;
/// How often a question that polkitd may not have seen yet is taken back, and how long between.
const CANCEL_TRIES: u32 = 5;
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Authorized,
    Challenge,
    Denied,
    Dismissed,
    Refused,
    Failed,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Challenge => "challenge",
            Self::Denied => "denied",
            Self::Dismissed => "dismissed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

struct Answer {
    outcome: Outcome,
    message: String,
}

impl Answer {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            message: String::new(),
        }
    }
}

/// A question whose arguments were checked.
struct Question {
    pid: u32,
    start_time: u64,
    uid: i32,
    action_id: String,
    interactive: bool,
}

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

/// The connection that all questions share.
#[derive(Default)]
struct Link(Mutex<Option<Connection>>);

impl Link {
    /// The connection, and whether it is one that may have broken meanwhile.
    async fn connection(&self) -> zbus::Result<(Connection, bool)> {
        let mut current = self.0.lock().await;
        if let Some(connection) = current.as_ref() {
            return Ok((connection.clone(), true));
        }
        let building = connection::Builder::system().build();
        let connection = timeout(PATIENCE, building).await.unwrap_or_else(|_| {
            Err(zbus::Error::InputOutput(Arc::new(
                std::io::ErrorKind::TimedOut.into(),
            )))
        })?;
        *current = Some(connection.clone());
        Ok((connection, false))
    }

    /// The next question makes a new connection.
    async fn forget(&self, broken: &Connection) {
        let name = |connection: &Connection| connection.unique_name().cloned();
        let mut current = self.0.lock().await;
        let is_current = |connection: &Connection| -> bool {
            let names: [Option<OwnedUniqueName>; 2] = [name(connection), name(broken)];
            names[0] == names[1]
        };
        if current.as_ref().is_some_and(is_current) {
            *current = None;
        }
    }
}

async fn ask(link: &Link, id: u32, question: &Question, mut cancelled: oneshot::Receiver<()>) -> Answer {
    loop {
        let (connection, is_used) = match link.connection().await {
            Ok(found) => found,
            Err(cause) => return no_answer(&cause),
        };
        let cause = match converse(&connection, id, question, &mut cancelled).await {
            Ok(answer) => return answer,
            Err(cause) => cause,
        };
        if !matches!(cause, zbus::Error::InputOutput(_)) {
            return no_answer(&cause);
        }
        link.forget(&connection).await;
        // The bus was restarted since the last question; a new connection that breaks at once is another matter.
        if !is_used {
            return no_answer(&cause);
        }
    }
}

/// One call of `CheckAuthorization` over a connection; an error of polkitd's own is an answer.
async fn converse(
    connection: &Connection,
    id: u32,
    question: &Question,
    cancelled: &mut oneshot::Receiver<()>,
) -> zbus::Result<Answer> {
    let cancellation = format!("sallyport-{id}");
    let subject = HashMap::from([
        ("pid", Variant::from(question.pid)),
        ("start-time", Variant::from(question.start_time)),
        ("uid", Variant::from(question.uid)),
    ]);
    let details: HashMap<&str, &str> = HashMap::new();
    let flags = if question.interactive {
        ALLOW_USER_INTERACTION
    } else {
        0
    };
    let body = (
        ("unix-process", subject),
        question.action_id.as_str(),
        details,
        flags,
        cancellation.as_str(),
    );
    let call = connection.call_method(Some(NAME), PATH, Some(INTERFACE), "CheckAuthorization", &body);
    let mut call = std::pin::pin!(call);
    let reply = tokio::select! {
        biased;
        reply = &mut call => reply,
        Ok(()) = cancelled => {
            tokio::select! {
                biased;
                reply = &mut call => reply,
                () = take_back(connection, &cancellation) => return Ok(Answer::of(Outcome::Dismissed)),
            }
        }
        else => call.await,
    };
    match reply {
        Ok(reply) => Ok(understood(&reply)),
        Err(zbus::Error::MethodError(name, message, _)) if !name.as_str().starts_with(BUS_PREFIX) => {
            Ok(polkit_error(name.as_str(), message.unwrap_or_default()))
        }
        Err(cause) => Err(cause),
    }
}

/// Ends only when polkitd does not react; the question's own answer comes before that.
async fn take_back(connection: &Connection, cancellation: &str) {
    for _ in 0..CANCEL_TRIES {
        let body = (cancellation,);
        let call = connection.call_method(
            Some(NAME),
            PATH,
            Some(INTERFACE),
            "CancelCheckAuthorization",
            &body,
        );
        let _ = timeout(PATIENCE, call).await;
        sleep(CANCEL_INTERVAL).await;
    }
}

fn understood(reply: &Message) -> Answer {
    type Fields = (bool, bool, HashMap<String, String>);
    match reply.body().deserialize::<(Fields,)>() {
        Ok(((is_authorized, is_challenge, details),)) => Answer::of(meaning(
            is_authorized,
            is_challenge,
            details.contains_key("polkit.dismissed"),
        )),
        Err(cause) => Answer {
            outcome: Outcome::Failed,
            message: format!("{NAME} gave an answer that makes no sense: {cause}"),
        },
    }
}

/// `AuthorizationResult`: an answer that contradicts itself authorizes nobody.
fn meaning(is_authorized: bool, is_challenge: bool, is_dismissed: bool) -> Outcome {
    match (is_authorized, is_challenge, is_dismissed) {
        (true, false, false) => Outcome::Authorized,
        (_, _, true) => Outcome::Dismissed,
        (_, true, false) => Outcome::Challenge,
        (false, false, false) => Outcome::Denied,
    }
}

fn polkit_error(name: &str, message: String) -> Answer {
    if name == CANCELLED {
        return Answer::of(Outcome::Dismissed);
    }
    Answer {
        outcome: Outcome::Refused,
        message,
    }
}

fn no_answer(cause: &zbus::Error) -> Answer {
    Answer {
        outcome: Outcome::Failed,
        message: refused(NAME, cause).reason.clone(),
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

    #[test]
    fn only_a_plain_yes_authorizes() {
        for bits in 0..8 {
            let outcome = meaning(bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            assert_eq!(outcome == Outcome::Authorized, bits == 1);
        }
        assert_eq!(meaning(false, true, false), Outcome::Challenge);
        assert_eq!(meaning(false, true, true), Outcome::Dismissed);
        assert_eq!(meaning(false, false, false), Outcome::Denied);
    }

    #[test]
    fn errors_of_polkit_authorize_nobody() {
        assert_eq!(polkit_error(CANCELLED, String::new()).outcome, Outcome::Dismissed);
        let failed = polkit_error("org.freedesktop.PolicyKit1.Error.Failed", "why".into());
        assert_eq!(
            (failed.outcome, failed.message.as_str()),
            (Outcome::Refused, "why")
        );
    }
}
