//! The keyring of an open database: what the log says and what the keyring holds, kept together.
//!
//! Invariants:
//! - a key is destroyed in two steps: the log says so, durably; then the keyring forgets it. Whoever
//!   is answered has both;
//! - before the first key is handed out, all that the log says is destroyed is destroyed in the
//!   keyring, and the other way round. So a crash between the steps, an older copy of the keyring and
//!   an older copy of the log are mended by opening;
//! - a keyring that the log speaks of and that is not there is not begun anew by itself: that would
//!   give customers new keys for what only the old ones open;
//! - what is the matter with the keyring is never a reason not to open the ledger.
//!
//! On its caller's thread, some milliseconds of disk at a time. One call after the other: a lock is held
//! while the log and the keyring are written, so that no key is handed out between the two steps. The
//! engine never waits for it.

use super::copy::KeyringCopy;
use super::name::NameHash;
use super::{BY_BYTES_MAX, DestroyResult, Held, Keyring, KeyringStatus, evidence, unusable};
use crate::database::Database;
use crate::disk::Disk;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::sealing::DatabaseKey;
use florin_keys::KeyEncryptionKey;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The keyring of a database, if it has one.
pub(crate) struct Custody(Mutex<State>);

enum State {
    /// The database has none, and the reason.
    None(&'static str),
    /// There is none, and there never was.
    Absent(Means),
    /// The log speaks of one, and it is not there.
    Missing(Means),
    /// It is open, and the log says the same.
    Open(Keyring),
    /// It can't be used until the database is opened again, and the reason.
    Refused(Error),
    /// The database is closed.
    Closed,
}

/// What a keyring is made with.
#[derive(Clone)]
struct Means {
    disk: Arc<dyn Disk>,
    kek: Arc<dyn KeyEncryptionKey>,
    database_key: DatabaseKey,
}

const NOT_ENCRYPTED: &str = "the database is not encrypted, and only an encrypted one has a keyring: \
                             make one with `florin init --encrypt`";
const NO_KEY: &str = "the database was opened without its key-encryption key, which the keyring \
                      needs: open it with the key";

impl Custody {
    /// Of a database that is being opened; [`Custody::settle`] opens it.
    pub(crate) fn new() -> Custody {
        Custody(Mutex::new(State::Closed))
    }

    /// Opens the keyring, if there is one, and brings it and the log to say the same. O(destroyed
    /// names) in the index of documents; if they differ, O(keys).
    pub(crate) fn settle(
        &self,
        database: &Database,
        disk: &Arc<dyn Disk>,
        kek: Option<Arc<dyn KeyEncryptionKey>>,
        observer: &Observer,
    ) {
        let state = match (disk.database_key(), kek) {
            (None, _) => State::None(NOT_ENCRYPTED),
            (Some(_), None) => State::None(NO_KEY),
            (Some(database_key), Some(kek)) => {
                let database_key = database_key.clone();
                opened(database, Means { disk: disk.clone(), kek, database_key }, observer)
            }
        };
        *self.lock() = state;
    }

    /// A copy of all files, between two changes.
    pub(crate) fn copy(&self) -> Result<Option<KeyringCopy>, Error> {
        let mut state = self.lock();
        match state.keyring()? {
            Some(keyring) => keyring.copy(),
            None => Ok(None),
        }
    }

    /// There is none to be had here, for a reason.
    pub(crate) fn decline(&self, reason: &'static str) {
        *self.lock() = State::None(reason);
    }

    /// Lets go of the directory.
    pub(crate) fn close(&self) {
        *self.lock() = State::Closed;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the keyring was changed left it without a root, which is refused.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opened(database: &Database, means: Means, observer: &Observer) -> State {
    let tried = || {
        let Means { disk, kek, database_key } = means.clone();
        let Some(keyring) = Keyring::open(disk, kek, &database_key)? else {
            let is_begun = evidence::sum(database)?.is_begun;
            return Ok(if is_begun { State::Missing(means) } else { State::Absent(means) });
        };
        let (keyring, destroyed_count) = reconciled(database, keyring)?;
        if 0 < destroyed_count {
            observer.tell(&Event::KeysDestroyedAgain(destroyed_count));
        }
        Ok(State::Open(keyring))
    };
    let state = tried().unwrap_or_else(State::Refused);
    if let Some(reason) = state.reason() {
        observer.tell(&Event::KeyringRefused(reason));
    }
    state
}

/// Destroys what only the log says is destroyed, and puts on record what only the keyring says. Returns
/// how many names the keyring did not know to be destroyed.
fn reconciled(database: &Database, mut keyring: Keyring) -> Result<(Keyring, u64), Error> {
    let evidence = evidence::sum(database)?;
    let mut destroyed_count = 0;
    if evidence.destroyed != keyring.destroyed_sum()? {
        let (logged, held) = (evidence::destroyed(database)?, keyring.destroyed()?);
        let only_logged: Vec<NameHash> = logged.difference(&held).copied().collect();
        destroyed_count = u64::try_from(only_logged.len()).expect("a count fits 64 bits");
        keyring.destroy(&only_logged)?;
        evidence::record(database, held.difference(&logged).copied(), "the keyring at opening")?;
    }
    if !evidence.is_begun {
        evidence::record_begun(database)?;
    }
    Ok((keyring, destroyed_count))
}

impl State {
    /// Why there is no keyring to be asked where there should be one.
    fn reason(&self) -> Option<Error> {
        match self {
            State::Refused(error) => Some(error.clone()),
            State::Missing(_) => Some(unusable(
                "the keyring is missing (directory `keyring`): restore the newest copy of it; only if \
                 there is none, `florin keyring begin` makes an empty one",
            )),
            State::None(_) | State::Absent(_) | State::Open(_) | State::Closed => None,
        }
    }

    /// The keyring, or nothing where it has no keys yet.
    fn keyring(&mut self) -> Result<Option<&mut Keyring>, Error> {
        if let Some(reason) = self.reason() {
            return Err(reason);
        }
        match self {
            State::Open(keyring) => Ok(Some(keyring)),
            State::Absent(_) => Ok(None),
            State::None(reason) => Err(Error::new(ErrorKind::Invalid, *reason)),
            State::Closed | State::Missing(_) | State::Refused(_) => Err(stopped()),
        }
    }

    /// Hands out nothing any more, for keys that were to be destroyed and are not yet.
    fn give_up(&mut self, error: &Error) -> Error {
        let message =
            format!("keys were to be destroyed and are not yet: open the database again ({error})");
        let error = Error::new(ErrorKind::Stopped, message);
        *self = State::Refused(error.clone());
        error
    }

    /// The keyring, begun if there never was one.
    fn begun(&mut self, database: &Database) -> Result<&mut Keyring, Error> {
        if let State::Absent(means) = self {
            let means = means.clone();
            self.begin(database, means)?;
        }
        Ok(self.keyring()?.expect("it was begun"))
    }

    /// Begins the keyring. What fails half-way is not tried again before the database was opened again: a
    /// sync that fails says nothing of what the next one makes durable.
    fn begin(&mut self, database: &Database, means: Means) -> Result<(), Error> {
        let error = match begun(database, means) {
            Ok(state) => {
                *self = state;
                return Ok(());
            }
            Err(error) => error,
        };
        if matches!(error.kind(), ErrorKind::Io | ErrorKind::DiskFull | ErrorKind::Stopped) {
            let message =
                format!("the keyring could not be begun: open the database again ({error})");
            *self = State::Refused(Error::new(ErrorKind::Stopped, message));
        }
        Err(error)
    }
}

/// Keys are made only when the log says that there is a keyring.
fn begun(database: &Database, means: Means) -> Result<State, Error> {
    let Means { disk, kek, database_key } = means;
    // An attempt before this one may have come so far.
    let keyring = match Keyring::open(disk.clone(), kek.clone(), &database_key)? {
        Some(keyring) => keyring,
        None => Keyring::begin(disk, kek, &database_key)?,
    };
    Ok(State::Open(reconciled(database, keyring)?.0))
}

/// The keyring: keys that must be destroyable, which are never in the log. Only an encrypted database
/// that was opened with its key-encryption key has one; it is begun with the first key.
///
/// # Errors
/// All of these: [`ErrorKind::Invalid`] for names that are too many
/// ([`NAMES_MAX`](crate::keyring::NAMES_MAX)), empty or too long
/// ([`NAME_BYTES_MAX`](crate::keyring::NAME_BYTES_MAX)), and where there is no keyring;
/// [`ErrorKind::Unusable`] and [`ErrorKind::Corrupt`] if it is missing, another database's or damaged: the
/// message says what to do. After [`ErrorKind::Io`], [`ErrorKind::DiskFull`] or [`ErrorKind::Stopped`] from
/// a change it may or may not have happened: ask again, if need be once the database was opened again.
impl Database {
    /// The key of each name, made now for those that had none; or that it is destroyed. Returns when
    /// they are durable. Asked again, it answers the same keys. Costs
    /// about three syncs for each bucket that they lie in: up to a second for a thousand names.
    ///
    /// # Errors
    /// As above.
    pub fn make_keys(&self, names: &[&[u8]]) -> Result<Vec<Held>, Error> {
        super::check_names(names)?;
        let mut state = self.custody().lock();
        let keyring = state.begun(self)?;
        keyring.make(&keyring.hashes(names))
    }

    /// What there is under names. Costs a read of each bucket that they lie in, and the opening of it:
    /// some microseconds while the system has it in memory. Waits for a change that is under way.
    ///
    /// # Errors
    /// As above.
    pub fn keys(&self, names: &[&[u8]]) -> Result<Vec<Held>, Error> {
        super::check_names(names)?;
        let mut state = self.custody().lock();
        match state.keyring()? {
            Some(keyring) => keyring.held(&keyring.hashes(names)),
            None => Ok(vec![Held::Unknown; names.len()]),
        }
    }

    /// Destroys the keys of names, for ever; names that never had one get none any more. `by` says who,
    /// on record in the log; what is beyond
    /// [`BY_BYTES_MAX`](crate::keyring::BY_BYTES_MAX) bytes is cut. Returns when nothing in the
    /// data directory opens them any more. Asked again, it answers that they were destroyed already.
    ///
    /// # Errors
    /// As above.
    pub fn destroy_keys(&self, names: &[&[u8]], by: &str) -> Result<Vec<DestroyResult>, Error> {
        super::check_names(names)?;
        let mut state = self.custody().lock();
        let keyring = state.begun(self)?;
        let names = keyring.hashes(names);
        let held = keyring.held(&names)?;
        let is_left =
            |(name, held): (&NameHash, &Held)| (*held != Held::Destroyed).then_some(*name);
        let left = names.iter().zip(&held).filter_map(is_left);
        let by = &by[..by.floor_char_boundary(BY_BYTES_MAX)];
        if let Err(error) = evidence::record(self, left, by) {
            let may_be_on_record = error.kind() == ErrorKind::Stopped;
            return Err(if may_be_on_record { state.give_up(&error) } else { error });
        }
        // Until the keys are destroyed, none is handed out any more.
        keyring.destroy(&names).map_err(|error| state.give_up(&error))
    }

    /// How many names the keyring has; none if it was not begun.
    ///
    /// # Errors
    /// As above.
    pub fn keyring_status(&self) -> Result<KeyringStatus, Error> {
        let mut state = self.custody().lock();
        state.keyring()?.map_or(Ok(KeyringStatus::default()), |keyring| keyring.status())
    }

    /// Begins an empty keyring where the log speaks of one that is not there: for when it is lost, and
    /// every copy of it. What was sealed under its keys stays sealed. Where there is a keyring, or never
    /// was one, nothing happens.
    ///
    /// # Errors
    /// As above.
    pub fn begin_keyring(&self) -> Result<KeyringStatus, Error> {
        let mut state = self.custody().lock();
        if let State::Missing(means) = &*state {
            let means = means.clone();
            state.begin(self, means)?;
        }
        state.begun(self)?.status()
    }
}
