//! A question to polkitd, from the call to what its answer means.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::{sleep, timeout};
use zbus::connection;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, Variant};

use super::PATIENCE;
use super::error::refused;

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
/// How often a question that polkitd may not have seen yet is taken back, and how long between.
const CANCEL_TRIES: u32 = 5;
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes.
    Authorized,
    /// A person would have to be asked.
    Challenge,
    /// No.
    Denied,
    /// The dialog was closed.
    Dismissed,
    /// polkitd does not answer such a question.
    Refused,
    /// No answer, or none that makes sense.
    Failed,
}

impl Outcome {
    /// As JavaScript knows it.
    pub fn name(self) -> &'static str {
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

/// An answer, or why there is none.
pub struct Answer {
    /// What it comes to.
    pub outcome: Outcome,
    /// Why, if polkit refused or did not answer.
    pub message: String,
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
pub struct Question {
    /// Not 0.
    pub pid: u32,
    /// In clock ticks since boot.
    pub start_time: u64,
    /// As polkit has it, signed.
    pub uid: i32,
    /// The action.
    pub action_id: String,
    /// Whether a dialog may open.
    pub interactive: bool,
}

/// The connection that all questions share.
#[derive(Default)]
pub struct Link(Mutex<Option<Connection>>);

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

/// Asks, over a new connection if the old one broke.
pub async fn ask(link: &Link, id: u32, question: &Question, mut cancelled: oneshot::Receiver<()>) -> Answer {
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
