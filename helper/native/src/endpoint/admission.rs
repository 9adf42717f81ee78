//! Who may have how many connections, decided before anything is known of a caller but its uid.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::control::Credentials;
use super::share::{self, Share};

/// Uids remembered at once; a new one finds no room only while this many have connected within moments.
const UIDS: usize = 4096;
/// Of every so many places one is for root alone, so that a full house can still be put in order.
const SHARE_OF_ROOT: usize = 8;
/// Refusals told to JavaScript at once, and after that every so often.
const REPORTS: u32 = 16;
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// What happens at most so often: `burst` at once, then one per `interval`.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many at once after a rest; 0 never.
    pub burst: u32,
    /// How long one more takes.
    pub interval: Duration,
}

impl Pace {
    /// Takes one if there is one. `full` is when all of the burst will be there again; it is all the memory needed.
    fn take(self, full: &mut Instant, now: Instant) -> bool {
        let next = (*full).max(now) + self.interval;
        let allowed = next <= now + self.interval * self.burst;
        if allowed {
            *full = next;
        }
        allowed
    }

    /// When one can be taken again.
    fn ready(self, full: Instant) -> Option<Instant> {
        full.checked_sub(self.interval * self.burst.saturating_sub(1))
    }
}

/// The bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of all uids.
    pub connections: usize,
    /// Of one uid other than root.
    pub per_uid: usize,
    /// How fast one uid other than root may connect.
    pub pace: Pace,
    /// Bytes that may wait to be sent on all connections of one uid other than root.
    pub queued_per_uid: usize,
    /// The same of root.
    pub queued_of_root: usize,
}

#[derive(Debug)]
struct Caller {
    open: usize,
    full: Instant,
    share: Arc<Share>,
}

/// The places for connections.
#[derive(Debug)]
pub struct Places {
    bounds: Bounds,
    taken: usize,
    callers: HashMap<u32, Caller>,
    root: Arc<Share>,
}

impl Places {
    /// All free.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            taken: 0,
            callers: HashMap::new(),
            root: Arc::new(Share::new(usize::MAX, bounds.queued_of_root)),
        }
    }

    /// Takes a place for a uid, with its share of what may wait, or says why it gets none: `tooFast` or
    /// `tooManyConnections`.
    pub fn take(&mut self, uid: u32, now: Instant) -> Result<Arc<Share>, &'static str> {
        let Bounds {
            connections,
            per_uid,
            pace,
            queued_per_uid,
            ..
        } = self.bounds;
        if uid == 0 {
            if self.taken >= connections {
                return Err("tooManyConnections");
            }
            self.taken += 1;
            return Ok(Arc::clone(&self.root));
        }
        if self.callers.len() >= UIDS && !self.callers.contains_key(&uid) {
            self.callers
                .retain(|_, caller| caller.open > 0 || caller.full > now);
            if self.callers.len() >= UIDS {
                return Err("tooFast");
            }
        }
        let caller = self.callers.entry(uid).or_insert_with(|| Caller {
            open: 0,
            full: now,
            share: Arc::new(Share::new(share::FRAMES, queued_per_uid)),
        });
        if !pace.take(&mut caller.full, now) {
            return Err("tooFast");
        }
        if caller.open >= per_uid || self.taken >= connections - connections / SHARE_OF_ROOT {
            return Err("tooManyConnections");
        }
        caller.open += 1;
        self.taken += 1;
        Ok(Arc::clone(&caller.share))
    }

    /// Gives a place back.
    pub fn give_back(&mut self, uid: u32) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(caller) = self.callers.get_mut(&uid) {
            caller.open = caller.open.saturating_sub(1);
        }
    }
}

/// A connection that was turned away, and how many more were of whom nothing was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: &'static str,
    /// Whom; nobody knows of one that could not be accepted.
    pub who: Option<Credentials>,
    /// Refusals before this one, and after the one told last, that were not told.
    pub untold: u32,
}

/// Which refusals JavaScript is told of: a flood costs it a few calls a second.
#[derive(Debug)]
pub struct Reports {
    full: Instant,
    last: Option<Refusal>,
}

impl Reports {
    const PACE: Pace = Pace {
        burst: REPORTS,
        interval: REPORT_INTERVAL,
    };

    /// None told yet.
    pub fn new(now: Instant) -> Self {
        Self {
            full: now,
            last: None,
        }
    }

    /// Notes a refusal; what it returns is to be told.
    pub fn note(&mut self, reason: &'static str, who: Option<Credentials>, now: Instant) -> Option<Refusal> {
        let untold = self.last.take().map_or(0, |last| last.untold.saturating_add(1));
        self.last = Some(Refusal { reason, who, untold });
        self.take(now)
    }

    /// When to look for one that was kept back.
    pub fn due(&self) -> Option<Instant> {
        self.last.and_then(|_| Self::PACE.ready(self.full))
    }

    /// The one that was kept back, if its time has come.
    pub fn take(&mut self, now: Instant) -> Option<Refusal> {
        if self.last.is_some() && Self::PACE.take(&mut self.full, now) {
            self.last.take()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, per_uid: usize, burst: u32) -> Places {
        let pace = Pace {
            burst,
            interval: Duration::from_millis(100),
        };
        Places::new(Bounds {
            connections,
            per_uid,
            pace,
            queued_per_uid: 10,
            queued_of_root: 20,
        })
    }

    #[test]
    fn connections_of_a_uid_share_what_may_wait_to_be_sent() {
        let now = Instant::now();
        let mut places = places(16, 3, 100);
        let mut share = |uid| places.take(uid, now).expect("a place");
        let (one, same, other, root) = (share(1000), share(1000), share(1001), share(0));
        assert!(one.take_bytes(10) && !same.take_bytes(1));
        assert!(other.take_bytes(10));
        assert!(root.take_bytes(20) && !share(0).take_bytes(1));
    }

    #[test]
    fn one_uid_cannot_take_all() {
        let now = Instant::now();
        let mut places = places(16, 3, 100);
        for _ in 0..3 {
            assert_eq!(places.take(1000, now).map(drop), Ok(()));
        }
        assert_eq!(places.take(1000, now).map(drop), Err("tooManyConnections"));
        assert_eq!(places.take(1001, now).map(drop), Ok(()));
        places.give_back(1000);
        assert_eq!(places.take(1000, now).map(drop), Ok(()));
    }

    #[test]
    fn all_uids_together_leave_some_for_root() {
        let now = Instant::now();
        let mut places = places(16, 1, 100);
        let taken = (1000..1100).filter(|uid| places.take(*uid, now).is_ok()).count();
        assert_eq!(taken, 14);
        assert_eq!(places.take(0, now).map(drop), Ok(()));
        assert_eq!(places.take(0, now).map(drop), Ok(()));
        assert_eq!(places.take(0, now).map(drop), Err("tooManyConnections"));
        places.give_back(0);
        assert_eq!(places.take(0, now).map(drop), Ok(()));
    }

    #[test]
    fn a_uid_connects_so_fast_and_no_faster() {
        let start = Instant::now();
        let mut places = places(1000, 1000, 5);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let taken = (0..20).filter(|_| places.take(7, at(0)).is_ok()).count();
        assert_eq!(taken, 5);
        assert_eq!(places.take(7, at(99)).map(drop), Err("tooFast"));
        assert_eq!(
            places.take(8, at(99)).map(drop),
            Ok(()),
            "another one is not held up"
        );
        assert_eq!(places.take(7, at(100)).map(drop), Ok(()));
        assert_eq!(places.take(7, at(101)).map(drop), Err("tooFast"));
        let taken = (0..20).filter(|_| places.take(7, at(10_000)).is_ok()).count();
        assert_eq!(taken, 5, "rest saves up no more than a burst");
        assert!(
            (0..20).all(|_| places.take(0, at(0)).is_ok()),
            "root is not held up"
        );
    }

    #[test]
    fn the_table_of_uids_is_bounded() {
        let start = Instant::now();
        let mut places = places(100_000, 1, 2);
        for uid in 1..=10_000 {
            if places.take(uid, start).is_ok() {
                places.give_back(uid);
            }
        }
        assert_eq!(places.callers.len(), UIDS);
        let later = start + Duration::from_secs(1);
        assert_eq!(
            places.take(20_000, later).map(drop),
            Ok(()),
            "who rested is forgotten"
        );
        assert_eq!(places.callers.len(), 1);
    }

    #[test]
    fn a_flood_is_told_in_few_words_and_counted_whole() {
        let start = Instant::now();
        let mut reports = Reports::new(start);
        let who = Some(Credentials {
            pid: 1,
            uid: 2,
            gid: 3,
        });
        let mut told: Vec<Refusal> = (0..1000)
            .filter_map(|_| reports.note("tooFast", who, start))
            .collect();
        assert_eq!(told.len(), 16);
        let due = reports.due().expect("one was kept back");
        assert_eq!(reports.take(start), None);
        assert_eq!(due, start + REPORT_INTERVAL);
        told.extend(reports.take(due));
        assert_eq!(told.len(), 17);
        assert_eq!(told.iter().map(|refusal| refusal.untold + 1).sum::<u32>(), 1000);
        assert_eq!(reports.due(), None);
    }
}
