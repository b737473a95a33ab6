//! Restoring a backup into an empty directory.
//!
//! 1. The mark of a restore is put there ([`crate::log::unfinished`]).
//! 2. Every object is fetched, checked against manifest and chain, and written as the segment that it is;
//!    the last one only up to the cut. Before them the keyring is put there, if there is one, under the key
//!    that opens the directory: a wrong key is told before all is fetched.
//! 3. The directory is opened, which derives everything from the first record and begins a new life. The
//!    clock stands still: nothing that is due falls due before somebody serves the bank.
//! 4. It is closed, and verified as `florin verify` does: everything is derived a second time and compared
//!    with what the opening has stored.
//! 5. The mark is taken away.
//!
//! Interrupted or refused at any point, there is a directory that nothing opens.

use super::check::{Contents, Trust, read_manifest};
use super::cut::{BackupLog, Lost, Target};
use super::keyring::{self, KeyringCopy};
use super::manifest::{Manifest, Sealed};
use super::{Progress, Store};
use crate::clock::FixedClock;
use crate::database::Database;
use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, ErrorKind};
use crate::limits::BACKUP_AT_ONCE_MAX;
use crate::log::segment;
use crate::log::unfinished::{RESTORING, UnfinishedDisk};
use crate::log::{FramePosition, LogReader};
use crate::opening::random_u128;
use crate::options::Options;
use crate::sealing;
use crate::verify::{VerifyReport, verify_keyring, verify_on};
use florin_keys::KeyEncryptionKey;
use florin_ledger::Timestamp;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

/// What is restored, and how.
pub struct Restoring<'a> {
    /// The manifest's name ([`super::newest`]).
    pub name: &'a str,
    /// Up to where.
    pub target: Target,
    /// Who must have signed it, and what opens it.
    pub trust: Trust<'a>,
    /// The same key, for the database that is restored, if it is encrypted.
    pub key: Option<Arc<dyn KeyEncryptionKey>>,
    /// The newest copy of the keyring, if there is one.
    pub keyring: Option<KeyringCopy>,
    /// The key that this copy was made under, if that is another: the bank's key was changed between the
    /// backup and the copy.
    pub keyring_key: Option<Arc<dyn KeyEncryptionKey>>,
}

/// What would be restored, and what would be lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview {
    /// What the backup is.
    pub manifest: Manifest,
    /// Where history would end.
    pub cut: FramePosition,
    /// What the backup has behind it.
    pub lost: Lost,
}

/// A bank that was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// What the backup was.
    pub manifest: Manifest,
    /// Where its history ends.
    pub cut: FramePosition,
    /// The name of its new life.
    pub incarnation: u128,
    /// What was verified.
    pub report: VerifyReport,
    /// Whether the log says that there is a keyring, and none was given.
    pub lacks_keyring: bool,
}

/// What is said of a bank that was restored without its keyring.
pub const LACKS_KEYRING: &str = "the log says that the bank has a keyring, and no copy of it was given                                  (--keyring): what was sealed under its keys can't be read";

/// Says what a restore would leave and lose. Reads the backup from the cut on, and for
/// [`Target::BeforeTransfer`] from its beginning; changes nothing.
///
/// # Errors
/// As [`restore`].
pub fn preview(
    store: &Arc<dyn Store>,
    name: &str,
    target: Target,
    trust: Trust<'_>,
) -> Result<Preview, Error> {
    let manifest = Arc::new(read_manifest(store.as_ref(), name, trust.signers)?);
    let contents = Contents::new(store.clone(), manifest.clone(), trust.key)?;
    let log = BackupLog::new(contents)?;
    let cut = log.cut(target)?;
    let lost = log.lost(cut)?;
    Ok(Preview { manifest: Manifest::clone(&manifest), cut, lost })
}

/// Restores a backup into an empty directory. Returns when all of it is there, durable and proved.
///
/// # Errors
/// [`ErrorKind::Unusable`] if the directory is not empty, or a key is missing or wrong;
/// [`ErrorKind::Invalid`] for a target that the backup does not have; [`ErrorKind::Corrupt`] names the
/// object or says what does not hold; [`ErrorKind::DiskFull`], [`ErrorKind::Io`]. The directory does not
/// open then: remove it.
pub fn restore(
    store: &Arc<dyn Store>,
    disk: Arc<dyn Disk>,
    restoring: &Restoring<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, Error> {
    let (restored, marked) = proved(store, disk, restoring, progress)?;
    marked.end().map_err(|error| failed("the mark", &error))?;
    Ok(restored)
}

/// Restores, and leaves the mark there.
///
/// # Errors
/// As [`restore`].
pub(super) fn proved(
    store: &Arc<dyn Store>,
    disk: Arc<dyn Disk>,
    restoring: &Restoring<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Restored, Arc<UnfinishedDisk>), Error> {
    let Restoring { name, target, trust, key, keyring, keyring_key } = restoring;
    let manifest = Arc::new(read_manifest(store.as_ref(), name, trust.signers)?);
    let contents = Contents::new(store.clone(), manifest.clone(), trust.key)?;
    let is_sealed = contents.identity().is_sealed;
    if contents.is_locked() || (is_sealed && contents.log_key.is_none()) {
        return Err(Error::new(
            ErrorKind::Unusable,
            "the backup is encrypted: give its key (--key-file or --pkcs11-module)",
        ));
    }
    check_empty(disk.as_ref())?;
    let cut = match target {
        Target::End => manifest.end,
        target => {
            let contents = Contents::new(store.clone(), manifest.clone(), trust.key)?;
            BackupLog::new(contents)?.cut(*target)?
        }
    };
    let marked = UnfinishedDisk::begin(disk, RESTORING);
    let marked = Arc::new(marked.map_err(|error| failed("the mark", &error))?);
    let disk: Arc<dyn Disk> = marked.clone();
    if let Sealed::ByDatabase(wrapped) = &manifest.sealing {
        let put = sealing::put(disk.as_ref(), wrapped);
        put.map_err(|error| failed(sealing::FILE_NAME, &error))?;
    }
    let key = key.clone().filter(|_| is_sealed);
    if let Some(copy) = keyring {
        let key = key.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::Unusable,
                "the backup is of a database that is not encrypted, which has no keyring: leave it out",
            )
        })?;
        keyring::put_back(&disk, copy, key, keyring_key.as_deref())?;
    }
    write_segments(&contents, disk.as_ref(), cut, progress)?;
    let (incarnation, report, is_begun) = prove(&disk, &manifest, cut, key)?;
    let lacks_keyring = is_begun && report.keyring.is_none();
    let manifest = Manifest::clone(&manifest);
    Ok((Restored { manifest, cut, incarnation, report, lacks_keyring }, marked))
}

/// Other directories of a database.
const DERIVED: [&str; 3] =
    [crate::keyring::DIRECTORY, crate::runs::DIRECTORY, crate::tree::DIRECTORY];

/// Whether nothing is there that a restore could be mixed up with.
fn check_empty(disk: &dyn Disk) -> Result<(), Error> {
    for directory in ["", segment::DIRECTORY].into_iter().chain(DERIVED) {
        let files = match disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            files => files.map_err(|error| failed("the directory", &error))?,
        };
        if let Some(file) = files.iter().find(|file| *file != "lock") {
            return Err(Error::new(
                ErrorKind::Unusable,
                format!(
                    "the directory has a file `{file}`: a backup is restored into an empty directory; if \
                     this is what a restore left that did not come to its end, remove the directory"
                ),
            ));
        }
    }
    Ok(())
}

/// Writes every segment up to the cut, durably.
fn write_segments(
    contents: &Contents,
    disk: &dyn Disk,
    cut: FramePosition,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let geometry = contents.manifest.geometry;
    let last = usize::try_from(geometry.segment_before(cut.lsn)).expect("segments are few");
    let (sender, receiver) = mpsc::channel();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..BACKUP_AT_ONCE_MAX {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if last < index {
                        return;
                    }
                    let written = write_segment(contents, disk, index, cut);
                    let goes_on = written.is_ok();
                    if sender.send(written).is_err() || !goes_on {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut done_bytes = 0;
        let mut result = Ok(());
        for written in &receiver {
            match written {
                Ok(bytes) => done_bytes += bytes,
                Err(error) => {
                    next.store(last + 1, Ordering::Relaxed);
                    result = result.and(Err(error));
                }
            }
            progress(Progress { done_bytes, total_bytes: cut.lsn.0 });
        }
        result
    })?;
    disk.sync_directory(segment::DIRECTORY).map_err(|error| failed("the log", &error))
}

fn write_segment(
    contents: &Contents,
    disk: &dyn Disk,
    index: usize,
    cut: FramePosition,
) -> Result<u64, Error> {
    let entry = &contents.manifest.objects[index];
    let content = contents.checked(index, entry)?.expect("it can be opened");
    let start = contents.manifest.geometry.lsn(entry.number, 0);
    let used = (cut.lsn.0 - start.0).min(entry.content_bytes);
    let used_bytes = usize::try_from(used).expect("a segment fits memory");
    write_file(disk, &segment::file_name(entry.number), &content[..used_bytes])?;
    Ok(used)
}

/// Opens what was written in a new life, closes it, and verifies all of it.
fn prove(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
    cut: FramePosition,
    key: Option<Arc<dyn KeyEncryptionKey>>,
) -> Result<(u128, VerifyReport, bool), Error> {
    let unlocked = sealing::unlock(disk.clone(), key.as_deref())?;
    let identity = segment::identify(unlocked.as_ref())?
        .filter(|identity| identity.incarnation == manifest.birth)
        .ok_or_else(|| Error::corrupt("what was restored is another log"))?;
    let reader = LogReader::new(unlocked.clone(), identity);
    let ends = manifest.objects.iter().map(|entry| entry.end).filter(|end| end.lsn < cut.lsn);
    for end in ends.chain([cut]) {
        if reader.position_at(end.lsn, cut.lsn)? != end {
            return Err(Error::corrupt(format!("the chain at {} is not the manifest's", end.lsn)));
        }
    }
    let incarnation = random_u128()?;
    let options = Options { key: key.clone(), ..Options::default() };
    // At the beginning of time nothing is due that the log has not said to be.
    let clock = Arc::new(FixedClock(Timestamp::NONE));
    let database = Database::open_in_life(unlocked.clone(), clock, options, Some(incarnation))?;
    let (status, begun) = (database.status(), database.is_keyring_begun());
    database.close()?;
    if status?.incarnation != incarnation {
        return Err(Error::corrupt("the restored bank does not have the name that it was given"));
    }
    let is_begun = begun?;
    let report = verify_on(&unlocked, &mut |_| {})?;
    let mut report = report.ok_or_else(|| Error::corrupt("there is no log to verify"))?;
    if let Some(key) = &key {
        verify_keyring(&unlocked, key.as_ref(), &mut report)?;
    }
    match report.findings.first() {
        None => Ok((incarnation, report, is_begun)),
        Some(finding) => Err(Error::corrupt(format!("what was restored does not hold: {finding}"))),
    }
}

fn write_file(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let write = || {
        let file: Arc<dyn DiskFile> = disk.create(name, Access::Buffered)?;
        file.write_all_at(bytes, 0)?;
        file.sync()
    };
    write().map_err(|error| failed(name, &error))
}

fn failed(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::of_io(error), format!("restoring {what}: {error}"))
}
