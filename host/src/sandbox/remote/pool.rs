//! The sandboxes of a host: which of them can be used now, and the connections to them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;
use super::at_once;
use super::checks::Greeting;
use super::exchange::Connection;
use super::wire::WireError;
use crate::object::{Digest, Fault, Kind};

/// How long calls wait for a sandbox that was there a moment ago.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at a sandbox that works.
const LOOK: Duration = Duration::from_secs(3);
/// Between the first two looks at one that is away; each pause is twice the one before, up to [`LOOK`].
const LOOK_FIRST: Duration = Duration::from_millis(100);
/// Before a sandbox that broke the protocol is asked again; twice as long each time.
const QUARANTINE: Duration = Duration::from_secs(10);
const MAX_QUARANTINE: Duration = Duration::from_mins(5);
/// Connections that wait for a call, for each sandbox.
const MAX_IDLE: usize = 8;

struct Place {
    address: Address,
    /// One of a folder, where there need not be a sandbox.
    is_spare: bool,
    idle: Mutex<Vec<Connection>>,
    /// Calls in progress.
    busy: AtomicUsize,
}

impl Place {
    /// Greets and pings.
    fn ask(&self) -> Result<Greeted, WireError> {
        let (mut connection, greeting) = Connection::open(&self.address)?;
        connection.ping()?;
        Ok((connection, greeting))
    }
}

type Greeted = (Connection, Greeting);

enum State {
    /// With what confines it.
    Ready(String),
    Away {
        since: Instant,
        why: String,
    },
    /// It broke the protocol.
    Lied {
        until: Instant,
        what: String,
    },
    /// Not the same guest or configuration as the first one's.
    Different,
    /// There is none, and there need not be.
    Vacant,
}

struct States {
    all: Vec<State>,
    /// How often each has broken the protocol since its last good answer.
    lies: Vec<u32>,
}

impl States {
    /// Whether it broke the protocol, and is not to be used yet: what was under way by then does not change that.
    fn is_out(&self, index: usize) -> bool {
        matches!(self.all[index], State::Lied { until, .. } if Instant::now() < until)
    }
}

pub struct Pool {
    /// What was to be looked for in folders.
    folders: Vec<Address>,
    places: Vec<Place>,
    states: Mutex<States>,
    changed: Condvar,
    /// The guest and the configuration of the sandbox that answered first.
    first: OnceLock<(Digest, Digest)>,
    turn: AtomicUsize,
}

/// A place that was chosen for a call.
pub struct Chosen<'a> {
    pool: &'a Pool,
    index: usize,
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        self.place().busy.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub fn new(addresses: Vec<Address>) -> Arc<Self> {
        let places = addresses.iter().flat_map(|address| {
            let is_spare = matches!(address, Address::Folder(_));
            address.places().into_iter().map(move |address| Place {
                address,
                is_spare,
                idle: Mutex::default(),
                busy: AtomicUsize::new(0),
            })
        });
        let places: Vec<_> = places.collect();
        let away = |_: &Place| State::Away { since: Instant::now(), why: "not asked yet".to_owned() };
        let states = States { all: places.iter().map(away).collect(), lies: vec![0; places.len()] };
        Arc::new(Self {
            folders: addresses.into_iter().filter(|address| matches!(address, Address::Folder(_))).collect(),
            places,
            states: Mutex::new(states),
            changed: Condvar::new(),
            first: OnceLock::new(),
            turn: AtomicUsize::new(0),
        })
    }

    /// The guest and the configuration of all sandboxes that are used, once one has answered.
    pub fn first(&self) -> Option<&(Digest, Digest)> {
        self.first.get()
    }

    /// Asks every sandbox once, all at the same time. In their order the answers count: the first decides on guest and
    /// configuration.
    pub fn look(&self) {
        for (index, answer) in at_once(&self.places, Place::ask).into_iter().enumerate() {
            self.hear(&mut lock(&self.states), index, answer);
        }
    }

    /// Looks at each sandbox from time to time, on a thread of its own, as long as the pool is there.
    pub fn watch(self: &Arc<Self>) -> std::io::Result<()> {
        for index in 0..self.places.len() {
            let pool = Arc::downgrade(self);
            thread::Builder::new().name(format!("sandbox-{index}")).spawn(move || watch(&pool, index))?;
        }
        Ok(())
    }

    /// `Err`: none can be used now. Both say how each of them is.
    pub fn condition(&self) -> Result<String, String> {
        let states = lock(&self.states);
        let told = self.tell(&states);
        if states.all.iter().any(|state| matches!(state, State::Ready(_))) { Ok(told) } else { Err(told) }
    }

    /// The sandbox with the fewest calls. Blocks while one that was lost a moment ago may come back.
    pub fn choose(&self) -> Result<Chosen<'_>, Fault> {
        let mut states = lock(&self.states);
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let count = self.places.len();
            let ready = (0..count)
                .map(|number| (turn + number) % count)
                .filter(|index| matches!(states.all[*index], State::Ready(_)));
            if let Some(index) = ready.min_by_key(|index| self.places[*index].busy.load(Ordering::Relaxed)) {
                self.places[index].busy.fetch_add(1, Ordering::Relaxed);
                return Ok(Chosen { pool: self, index });
            }
            let left = |state: &State| match state {
                State::Away { since, .. } => PATIENCE.checked_sub(since.elapsed()),
                _ => None,
            };
            let Some(left) = states.all.iter().filter_map(left).max() else {
                let text = format!("no sandbox can be used: {}", self.tell(&states));
                return Err(Fault::new(Kind::SandboxUnavailable, text));
            };
            states = self.changed.wait_timeout(states, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn tell(&self, states: &States) -> String {
        let mut text = String::new();
        if states.all.iter().all(|state| matches!(state, State::Vacant)) {
            let folders: Vec<_> = self.folders.iter().map(ToString::to_string).collect();
            return format!("no sandbox listens in {}", folders.join(", "));
        }
        for (place, state) in self.places.iter().zip(&states.all) {
            let separator = if text.is_empty() { "" } else { "; " };
            // Writing to a String cannot fail.
            let _ = match state {
                State::Ready(confinement) => {
                    write!(text, "{separator}{} is ready ({confinement})", place.address)
                }
                State::Away { why, .. } => write!(text, "{separator}{} is away: {why}", place.address),
                State::Lied { what, .. } => write!(text, "{separator}{} answered with {what}", place.address),
                State::Different => write!(
                    text,
                    "{separator}{} has another guest or configuration than the first, and is not used",
                    place.address
                ),
                State::Vacant => Ok(()),
            };
        }
        text
    }

    /// Greets and pings, on a connection that is kept if there is one.
    fn look_at(&self, index: usize, kept: Option<Greeted>) -> Option<Greeted> {
        let still = kept.and_then(|(mut connection, greeting)| {
            connection.ping().ok()?;
            Some((connection, greeting))
        });
        let answer = still.map_or_else(|| self.places[index].ask(), Ok);
        self.hear(&mut lock(&self.states), index, answer)
    }

    fn hear(&self, states: &mut States, index: usize, answer: Result<Greeted, WireError>) -> Option<Greeted> {
        match &answer {
            Ok((_, greeting)) => self.is_there(states, index, greeting),
            Err(error) => self.has_failed(states, index, error),
        }
        answer.ok().filter(|_| !states.is_out(index))
    }

    fn is_there(&self, states: &mut States, index: usize, greeting: &Greeting) {
        if states.is_out(index) {
            return;
        }
        let now = if self.is_as_the_first(greeting) {
            State::Ready(greeting.confinement.clone())
        } else {
            State::Different
        };
        self.becomes(states, index, now);
    }

    fn is_as_the_first(&self, greeting: &Greeting) -> bool {
        let Greeting { guest_digest, config_digest, .. } = greeting;
        let (guest, config) = self.first.get_or_init(|| (guest_digest.clone(), config_digest.clone()));
        (guest, config) == (guest_digest, config_digest)
    }

    fn has_failed(&self, states: &mut States, index: usize, error: &WireError) {
        if states.is_out(index) {
            return;
        }
        // What waits there is of no use either.
        lock(&self.places[index].idle).clear();
        let now = match error {
            WireError::Lost(_) | WireError::Closed
                if self.places[index].is_spare && !self.places[index].address.is_there() =>
            {
                State::Vacant
            }
            WireError::Lost(_) | WireError::Closed => {
                let since = match states.all[index] {
                    State::Away { since, .. } => since,
                    _ => Instant::now(),
                };
                State::Away { since, why: error.to_string() }
            }
            WireError::Violation(what) => {
                let lies = &mut states.lies[index];
                let pause = QUARANTINE.saturating_mul(1 << (*lies).min(10)).min(MAX_QUARANTINE);
                *lies += 1;
                State::Lied { until: Instant::now() + pause, what: what.clone() }
            }
        };
        self.becomes(states, index, now);
    }

    fn becomes(&self, states: &mut States, index: usize, now: State) {
        let address = &self.places[index].address;
        match (&states.all[index], &now) {
            (State::Away { .. }, State::Away { .. })
            | (State::Different, State::Different)
            | (State::Ready(_), State::Ready(_))
            | (_, State::Vacant) => {}
            (_, State::Ready(_)) => tracing::info!("the sandbox at {address} is ready"),
            (_, State::Away { why, .. }) => tracing::warn!("the sandbox at {address} is away: {why}"),
            (_, State::Lied { what, .. }) => {
                tracing::error!("the sandbox at {address} is not used for a while: it answered with {what}");
            }
            (_, State::Different) => tracing::error!(
                "the sandbox at {address} is not used: it has another guest or configuration than the first one"
            ),
        }
        states.all[index] = now;
        self.changed.notify_all();
    }
}

impl Chosen<'_> {
    fn place(&self) -> &Place {
        &self.pool.places[self.index]
    }

    pub fn address(&self) -> &Address {
        &self.place().address
    }

    /// Makes a call on a connection of this sandbox.
    pub fn call<T>(
        &self,
        mut call: impl FnMut(&mut Connection) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let mut on = |mut connection: Connection| Ok((call(&mut connection)?, connection));
        let kept = lock(&self.place().idle).pop();
        let done = match kept.map(&mut on) {
            Some(Err(WireError::Closed)) => {
                // They were closed while they waited.
                lock(&self.place().idle).clear();
                self.open().and_then(on)
            }
            Some(done) => done,
            None => self.open().and_then(on),
        };
        match done {
            Ok((done, connection)) => {
                let mut idle = lock(&self.place().idle);
                if idle.len() < MAX_IDLE {
                    idle.push(connection);
                }
                drop(idle);
                let mut states = lock(&self.pool.states);
                if !states.is_out(self.index) {
                    states.lies[self.index] = 0;
                }
                Ok(done)
            }
            Err(error) => {
                self.pool.has_failed(&mut lock(&self.pool.states), self.index, &error);
                Err(error)
            }
        }
    }

    fn open(&self) -> Result<Connection, WireError> {
        let (connection, greeting) = Connection::open(self.address())?;
        if self.pool.is_as_the_first(&greeting) {
            return Ok(connection);
        }
        self.pool.is_there(&mut lock(&self.pool.states), self.index, &greeting);
        Err(WireError::Lost("it has another guest or configuration now".to_owned()))
    }
}

fn watch(pool: &Weak<Pool>, index: usize) {
    let mut kept = None;
    let mut pause = LOOK_FIRST;
    loop {
        let Some(pool) = pool.upgrade() else { return };
        let states = lock(&pool.states);
        // One that becomes away is looked at sooner.
        let (states, _) = match states.all[index] {
            State::Away { .. } | State::Vacant => {
                let waited = pool.changed.wait_timeout_while(states, pause, |_| true);
                pause = (pause * 2).min(LOOK);
                waited
            }
            State::Lied { until, .. } => {
                kept = None;
                let left = until.saturating_duration_since(Instant::now());
                pool.changed.wait_timeout_while(states, left.min(LOOK), |_| true)
            }
            State::Ready(_) | State::Different => {
                pause = LOOK_FIRST;
                let still =
                    |states: &mut States| matches!(states.all[index], State::Ready(_) | State::Different);
                pool.changed.wait_timeout_while(states, LOOK, still)
            }
        }
        .unwrap_or_else(PoisonError::into_inner);
        let is_due = match states.all[index] {
            State::Lied { until, .. } => Instant::now() >= until,
            _ => true,
        };
        drop(states);
        if is_due {
            kept = pool.look_at(index, kept);
        }
    }
}
