//! Making a backup.
//!
//! 1. The newest manifest of this life is read: what it names, and was left, is there.
//! 2. Every further segment is read and its frames are checked, some at the same time; in order, each must
//!    lead on from the one before. It is stored while the next ones are read.
//! 3. When all objects are stored, those that somebody has removed meanwhile are stored again.
//! 4. When all are there, the manifest is stored.
//!
//! Interrupted, nothing is lost: objects that are there are found by name, and read back before they are
//! believed.

use super::manifest::{Manifest, ObjectEntry, Sealed};
use super::segments::{beginning, walk};
use super::uploads::{Upload, Uploads};
use super::{Progress, PublicKey, Signer, Source, Store, check, failed, object};
use crate::error::{Error, ErrorKind};
use crate::limits::{BACKUP_OBJECTS_MAX, BACKUP_READS_MAX};
use crate::log::{FramePosition, Geometry, Identity};
use crate::opening::random_u128;
use crate::sealing::{self, DatabaseKey, WrappedKey};
use crate::snapshot::Snapshot;
use bytes::Bytes;
use florin_keys::KeyEncryptionKey;
use florin_ledger::{Lsn, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;

/// How a backup is made.
pub struct Creation<'a> {
    /// Who signs it.
    pub signer: &'a Signer,
    /// Who else may have signed the one before, from which it goes on: the key before this, if it was
    /// changed.
    pub also_trusted: &'a [PublicKey],
    /// What wraps the backup's own key, if the database is not encrypted; if it is, this must open it.
    pub key: Option<&'a dyn KeyEncryptionKey>,
    /// Whether a database that is not encrypted may be backed up as it is.
    pub in_the_clear: bool,
    /// The present time, for whoever looks at the list later.
    pub now: Timestamp,
}

/// A backup that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    /// The manifest's name.
    pub name: String,
    /// What it is.
    pub manifest: Manifest,
    /// Objects that were stored for it.
    pub stored_count: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// Objects that were there.
    pub kept_count: u64,
    /// Manifests that could not be used, and why: newer than the one that this backup goes on from.
    pub passed_over: Vec<String>,
}

/// Makes a backup. Returns when the manifest is stored. Reads the log from the newest manifest on.
///
/// # Errors
/// [`ErrorKind::Invalid`] if nothing says how to seal a database that is not encrypted;
/// [`ErrorKind::Corrupt`] if the log is damaged, or an object that is there; [`ErrorKind::Fork`] if what
/// was backed up before is not in this log; [`ErrorKind::Unusable`] for a key that opens nothing;
/// [`ErrorKind::Io`]. There is no manifest then, and those before are as they were.
pub fn create(
    source: &dyn Source,
    store: &dyn Store,
    creation: &Creation<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Created, Error> {
    let snapshot = source.snapshot()?;
    let trusted = [&[creation.signer.public()], creation.also_trusted].concat();
    let (previous, passed_over) = previous(store, &snapshot, &trusted)?;
    let (sealed, key) = sealing_of(&snapshot, previous.as_ref(), creation)?;
    let plan = Plan::new(store, &snapshot, previous.as_ref(), &sealed)?;
    let reading = Reading { plan: &plan, source, snapshot: &snapshot, key: key.as_ref() };
    let uploads = Uploads::new(store);
    let mut objects: Vec<ObjectEntry> = Vec::new();
    thread::scope(|scope| {
        let (sender, readers) = (uploads.start(scope), reading.start(scope));
        let mut readers = readers.iter().cycle();
        for number in 0..=plan.last {
            if let Some(entry) = plan.kept.get(&number) {
                objects.push(*entry);
                continue;
            }
            let reader = readers.next().expect("there are some");
            let taken = reader.recv().expect("it has sent an error before it ends")?;
            let position = objects.last().map_or(FramePosition::GENESIS, |entry| entry.end);
            if !taken.follows(position) {
                return Err(Error::corrupt(format!(
                    "segment {number} of the log: its first frame does not follow the log before it"
                )));
            }
            let Taken { entry, upload, .. } = taken;
            if sender.send(upload).is_err() {
                // The workers are gone: one says why.
                break;
            }
            objects.push(entry);
            let done_bytes = entry.end.lsn.0;
            progress(Progress { done_bytes, total_bytes: snapshot.end.lsn.0 });
        }
        Ok::<(), Error>(())
    })?;
    let (stored_count, stored_bytes) = uploads.finish()?;
    let kept_count = u64::try_from(plan.kept.len()).expect("they are few");
    let last = objects.last().ok_or_else(|| Error::corrupt("the log has no segment"))?;
    if last.end != snapshot.end {
        return Err(Error::corrupt(format!(
            "the log was durable up to {} and can be read up to {}: run `florin verify`",
            snapshot.end.lsn, last.end.lsn
        )));
    }
    let manifest = Manifest {
        birth: snapshot.birth,
        incarnation: snapshot.incarnation,
        epoch: last.epoch,
        geometry: plan.geometry,
        end: snapshot.end,
        time: snapshot.time,
        created: creation.now,
        sealing: sealed,
        objects,
    };
    if !manifest.is_sound() {
        return Err(Error::corrupt(
            "segments of the log do not follow one another: run `florin verify`",
        ));
    }
    let again_count = store_again(store, &reading, &manifest)?;
    let bytes = Bytes::from(manifest.encoded(creation.signer));
    let name = manifest.name(&bytes);
    store.create(&name, &bytes).map_err(|error| failed(&name, &error))?;
    let stored_count = stored_count + again_count;
    Ok(Created { name, manifest, stored_count, stored_bytes, kept_count, passed_over })
}

/// The newest manifest of this life that can be used, and why newer ones can't.
fn previous(
    store: &dyn Store,
    snapshot: &Snapshot,
    trusted: &[PublicKey],
) -> Result<(Option<Manifest>, Vec<String>), Error> {
    let mut passed_over = Vec::new();
    for name in check::manifest_names(store, snapshot.incarnation)?.iter().rev() {
        match check::read_manifest(store, name, trusted) {
            Ok(manifest) => return Ok((Some(manifest), passed_over)),
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => passed_over.push(error.to_string()),
        }
    }
    Ok((None, passed_over))
}

/// Stores what a manifest names and what is not there any more: somebody may have pruned while it was
/// made. Says how many those were.
fn store_again(
    store: &dyn Store,
    reading: &Reading<'_>,
    manifest: &Manifest,
) -> Result<u64, Error> {
    let mut again_count = 0;
    for entry in missing(store, manifest)? {
        let Taken { entry: again, upload, .. } = reading.take(entry.number)?;
        if again != entry {
            return Err(Error::corrupt(format!(
                "segment {} of the log is not what was backed up before: run `florin verify`",
                entry.number
            )));
        }
        upload.store(store)?;
        again_count += 1;
    }
    if let Some(entry) = missing(store, manifest)?.first().filter(|_| 0 < again_count) {
        return Err(Error::new(
            ErrorKind::Io,
            format!(
                "object {}: it was stored, and is gone again: see who removes it, and try again",
                manifest.object_name(entry)
            ),
        ));
    }
    Ok(again_count)
}

/// The objects of a manifest that are not there as they were stored.
fn missing(store: &dyn Store, manifest: &Manifest) -> Result<Vec<ObjectEntry>, Error> {
    let listed = listed(store, manifest.incarnation)?;
    let entries = manifest.objects.iter().copied();
    Ok(entries.filter(|entry| !is_there(&listed, manifest, entry)).collect())
}

/// What objects are sealed under, and the key to do it with.
fn sealing_of(
    snapshot: &Snapshot,
    previous: Option<&Manifest>,
    creation: &Creation<'_>,
) -> Result<(Sealed, Option<DatabaseKey>), Error> {
    if snapshot.is_sealed {
        // A server says so: nothing is believed that a manifest could not hold.
        WrappedKey::decoded(&snapshot.wrapped_key)
            .map_err(|error| Error::corrupt(format!("the database's wrapped key: {error}")))?;
        if let Some(kek) = creation.key {
            sealing::unwrap(&snapshot.wrapped_key, kek)?;
        }
        return Ok((Sealed::ByDatabase(snapshot.wrapped_key.clone()), None));
    }
    let Some(kek) = creation.key else {
        if creation.in_the_clear {
            return Ok((Sealed::No, None));
        }
        return Err(Error::new(
            ErrorKind::Invalid,
            "the database is not encrypted: name a key that its backups are encrypted with, or say that \
             they may lie in the clear",
        ));
    };
    // The same key as before, so that what is stored already is stored the same. A token that fails now
    // is no reason to store everything under another one.
    if let Some(Manifest { sealing: Sealed::ByBackup(wrapped), .. }) = previous {
        let by = WrappedKey::decoded(wrapped)
            .map_err(|error| Error::corrupt(format!("the backups' wrapped key: {error}")))?;
        if by.id == kek.id() {
            let key = sealing::unwrap(wrapped, kek)?;
            return Ok((Sealed::ByBackup(wrapped.clone()), Some(key)));
        }
    }
    let key = DatabaseKey::random(random_u128()?)
        .map_err(|error| Error::new(ErrorKind::Io, format!("random numbers: {error}")))?;
    let wrapped: WrappedKey = sealing::wrap(&key, kek)?;
    Ok((Sealed::ByBackup(wrapped.encoded()), Some(key)))
}

/// Which segments are there, and which are to be stored.
struct Plan {
    geometry: Geometry,
    identity: Identity,
    /// Of those that were left, and are there.
    kept: BTreeMap<u64, ObjectEntry>,
    /// Of those that were left, as the manifest before has them.
    left: BTreeMap<u64, ObjectEntry>,
    last: u64,
    /// Where the manifest before ends, and in which segment: a frame must, here too.
    to_meet: Option<(u64, FramePosition)>,
}

impl Plan {
    fn new(
        store: &dyn Store,
        snapshot: &Snapshot,
        previous: Option<&Manifest>,
        sealed: &Sealed,
    ) -> Result<Plan, Error> {
        let geometry = Geometry::new(snapshot.segment_bytes).ok_or_else(|| {
            Error::new(ErrorKind::Unusable, "the log's segments have an odd size")
        })?;
        let Snapshot { birth, is_sealed, end, .. } = snapshot;
        let identity = Identity { incarnation: *birth, geometry, is_sealed: *is_sealed };
        let last = geometry.segment_before(end.lsn);
        if u64::try_from(BACKUP_OBJECTS_MAX).expect("it fits") <= last {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a backup has at most {BACKUP_OBJECTS_MAX} segments"),
            ));
        }
        let (kept, left) = (BTreeMap::new(), BTreeMap::new());
        let mut plan = Plan { geometry, identity, kept, left, last, to_meet: None };
        let Some(previous) = previous else { return Ok(plan) };
        if end.lsn < previous.end.lsn || previous.birth != *birth {
            return Err(forked(previous));
        }
        plan.to_meet = Some((geometry.segment_before(previous.end.lsn), previous.end));
        // The last one may have grown, unless nothing was recorded since.
        let (_, before_last) = previous.objects.split_last().expect("a manifest has objects");
        let left = if previous.end == *end { &previous.objects } else { before_last };
        plan.left = left.iter().map(|entry| (entry.number, *entry)).collect();
        // What lies under another key can't be named beside what lies under this one.
        if previous.sealing.is_same_key(sealed) {
            // What somebody has removed is stored again.
            let listed = listed(store, previous.incarnation)?;
            plan.kept = plan.left.clone();
            plan.kept.retain(|_, entry| is_there(&listed, previous, entry));
        }
        Ok(plan)
    }
}

/// Reads segments to be stored.
struct Reading<'a> {
    plan: &'a Plan,
    source: &'a dyn Source,
    snapshot: &'a Snapshot,
    key: Option<&'a DatabaseKey>,
}

/// A segment that was read, and is to be stored once it is known to lead on from the one before.
struct Taken {
    /// Where its first frame says that it follows.
    from: FramePosition,
    entry: ObjectEntry,
    upload: Upload,
}

impl Taken {
    /// Whether its first frame follows a position: the end of the segment before.
    fn follows(&self, position: FramePosition) -> bool {
        (self.from.sequence, self.from.chain) == (position.sequence, position.chain)
    }
}

impl Reading<'_> {
    /// Reads what is to be stored with some threads, each of which holds one segment until it is taken. The
    /// first segment comes from the first, the next one from the second, and so on, in turn. One that could
    /// not read sends why, and ends.
    fn start<'scope, 'env>(
        &'env self,
        scope: &'scope thread::Scope<'scope, 'env>,
    ) -> Vec<mpsc::Receiver<Result<Taken, Error>>> {
        let reader = |place| {
            let (sender, receiver) = mpsc::sync_channel(0);
            scope.spawn(move || {
                let wanted = (0..=self.plan.last).filter(|it| !self.plan.kept.contains_key(it));
                for number in wanted.skip(place).step_by(BACKUP_READS_MAX) {
                    let taken = self.take(number);
                    let is_end = taken.is_err();
                    if sender.send(taken).is_err() || is_end {
                        return;
                    }
                }
            });
            receiver
        };
        (0..BACKUP_READS_MAX).map(reader).collect()
    }

    /// Reads and checks a segment.
    fn take(&self, number: u64) -> Result<Taken, Error> {
        let Reading { plan, source, snapshot, key } = self;
        let start = plan.geometry.lsn(number, 0);
        let is_last = number == plan.last;
        let wanted = if is_last { snapshot.end.lsn.0 - start.0 } else { snapshot.segment_bytes };
        let wanted = usize::try_from(wanted).expect("a segment fits memory");
        let content = Arc::new(source.segment(number, wanted)?);
        let until = if is_last { snapshot.end.lsn } else { Lsn(u64::MAX) };
        let to_meet = plan.to_meet.filter(|(at, _)| *at == number).map(|(_, end)| end);
        let wrong = |what| Error::corrupt(format!("segment {number} of the log: {what}"));
        let from = beginning(plan.identity, number, &content).map_err(wrong)?;
        let walked = walk(plan.identity, number, &content, from, until, to_meet).map_err(wrong)?;
        if to_meet.is_some() && !walked.has_met {
            return Err(Error::new(ErrorKind::Fork, FORKED));
        }
        let signed = plan.left.get(&number);
        if signed.is_some_and(|it| it.end != walked.end || it.epoch != walked.epoch) {
            return Err(Error::new(
                ErrorKind::Fork,
                format!("segment {number} of the log is not that of the last backup: {FORKED}"),
            ));
        }
        let used = usize::try_from(walked.end.lsn.0 - start.0).expect("a segment fits memory");
        let mut content = Arc::unwrap_or_clone(content);
        // What ends with zeros may be shorter in its file: beyond it there are zeros.
        content.resize(used, 0);
        let stored = Bytes::from(match key {
            Some(key) => object::sealed(&content, key),
            None => content,
        });
        let hash = *blake3::hash(&stored).as_bytes();
        let entry = ObjectEntry {
            number,
            epoch: walked.epoch,
            content_bytes: u64::try_from(used).expect("it fits"),
            stored_bytes: u64::try_from(stored.len()).expect("it is in memory"),
            hash,
            end: walked.end,
        };
        let name = super::name::object(snapshot.incarnation, entry.epoch, number, &hash);
        Ok(Taken { from, entry, upload: Upload { name, hash, stored } })
    }
}

/// The objects that there are of an incarnation, and their bytes.
fn listed(store: &dyn Store, incarnation: u128) -> Result<BTreeMap<String, u64>, Error> {
    let prefix = format!("{incarnation:032x}/");
    let listed = store.list(&prefix).map_err(|error| failed(&prefix, &error))?;
    Ok(listed.into_iter().map(|object| (object.name, object.bytes)).collect())
}

fn is_there(listed: &BTreeMap<String, u64>, manifest: &Manifest, entry: &ObjectEntry) -> bool {
    listed.get(&manifest.object_name(entry)) == Some(&entry.stored_bytes)
}

const FORKED: &str = "the last backup has history that this log does not have: it is a copy that went \
                      its own way, or a log that was put back by hand; restore it with `florin restore`, \
                      which gives it a name of its own, or back it up elsewhere";

fn forked(previous: &Manifest) -> Error {
    Error::new(ErrorKind::Fork, format!("the last backup ends at {}: {FORKED}", previous.end.lsn))
}
