//! A bucket of an object store that speaks S3, or a part of it below a prefix.
//!
//! - An object is created by one request, under the condition that there is none (`If-None-Match: *`). So it is there
//!   whole or not at all, nothing is ever left in part, and nothing is overwritten. No segment is larger than one
//!   request may carry (5 GB), and its bytes are in memory anyway.
//! - What passes by itself is asked again, with longer and longer pauses, a bounded number of times. A creation whose
//!   answer was lost may have been done: if there is an object then, it is read, and was created if it is the same.
//! - A read that was cut goes on where it was, of the same object or not at all.
//! - A server that can't be reached at the first question is told at once: that is more often a name that was
//!   mistyped than a server that comes back.

use super::access::Place;
use super::patience::{Patience, SILENCE_MAX, next_of, within};
use super::trouble::Trouble;
use crate::exit::Failure;
use bytes::Bytes;
use florin_core::backup::{Store, StoredObject};
use florin_ledger::Timestamp;
use hyper::StatusCode;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Threads that send and receive: sealing and hashing what is sent is their work, too.
const THREADS_COUNT: usize = 2;
/// What the slowest line is believed to carry of one object.
const BYTES_PER_SECOND_MIN: u64 = 128 << 10;

/// A bucket.
pub(super) struct BucketStore {
    runtime: Runtime,
    store: AmazonS3,
    place: Place,
    patience: Patience,
    /// Whether something that was created was told to be a version.
    keeps_versions: AtomicBool,
}

impl BucketStore {
    /// The place that a location names, with what the environment says. Nothing is asked yet.
    pub(super) fn open(location: &str) -> Result<BucketStore, Failure> {
        let place = Place::of(location).map_err(Failure::usage)?;
        let (place, store) = place.open()?;
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS_COUNT).enable_all().build();
        let runtime = runtime
            .map_err(|error| Failure::unavailable(format!("can't start a thread: {error}")))?;
        let (patience, keeps_versions) = (Patience::default(), AtomicBool::new(false));
        Ok(BucketStore { runtime, store, place, patience, keeps_versions })
    }

    fn path(&self, name: &str) -> io::Result<Path> {
        let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "no object has such a name");
        if name.is_empty() || name.starts_with('/') || name.ends_with('/') {
            return Err(no_name());
        }
        Path::parse(format!("{}{name}", self.place.prefix)).map_err(|_| no_name())
    }

    /// The name of what lies below the prefix.
    fn name(&self, path: &Path) -> Option<String> {
        path.as_ref().strip_prefix(&self.place.prefix).map(String::from)
    }

    /// Asks until there is an answer, or no more is to be expected.
    fn ask<T>(
        &self,
        question: impl AsyncFnMut() -> Result<T, Trouble>,
    ) -> (Result<T, Trouble>, u32) {
        self.runtime.block_on(self.patience.ask(question))
    }

    fn told(&self, trouble: &Trouble) -> io::Error {
        if trouble.is_missing_object() {
            return io::ErrorKind::NotFound.into();
        }
        io::Error::other(trouble.told(&self.place.bucket, &self.place.endpoint))
    }
}

impl Store for BucketStore {
    fn create(&self, name: &str, bytes: &Bytes) -> io::Result<bool> {
        let path = self.path(name)?;
        let length = u64::try_from(bytes.len()).expect("it is in memory");
        let time_max = SILENCE_MAX + Duration::from_secs(length / BYTES_PER_SECOND_MIN);
        let (created, attempts) = self.ask(async || {
            let payload = PutPayload::from(bytes.clone());
            let options = PutOptions::from(PutMode::Create);
            within(time_max, self.store.put_opts(&path, payload, options)).await
        });
        match created {
            Ok(created) => {
                self.keeps_versions.fetch_or(created.version.is_some(), Ordering::Relaxed);
                Ok(true)
            }
            // Perhaps one of the attempts before has created it, and its answer was lost.
            Err(trouble) if trouble.is(StatusCode::PRECONDITION_FAILED) => {
                Ok(1 < attempts && self.read(name, length)? == *bytes)
            }
            Err(trouble) => Err(self.told(&trouble)),
        }
    }

    fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let path = self.path(name)?;
        let mut fetched = Fetched { content: Vec::new(), tag: None };
        let (fits, _) = self.ask(async || fetched.go_on(&self.store, &path, bytes_max).await);
        if fits.map_err(|trouble| self.told(&trouble))? {
            return Ok(fetched.content);
        }
        Err(io::ErrorKind::FileTooLarge.into())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<StoredObject>> {
        let path = self.path(prefix.trim_end_matches('/'))?;
        let mut found: Vec<ObjectMeta> = Vec::new();
        let (listed, _) = self.ask(async || {
            let mut stream = match found.last() {
                Some(last) => self.store.list_with_offset(Some(&path), &last.location),
                None => self.store.list(Some(&path)),
            };
            while let Some(object) = next_of(&mut stream).await? {
                found.push(object);
            }
            Ok(())
        });
        listed.map_err(|trouble| self.told(&trouble))?;
        let object = |object: ObjectMeta| {
            let stored = object.last_modified.timestamp_nanos_opt().unwrap_or_default();
            Some(StoredObject {
                name: self.name(&object.location)?,
                bytes: object.size,
                stored: Timestamp(u64::try_from(stored).unwrap_or_default()),
            })
        };
        let mut objects: Vec<StoredObject> = found.into_iter().filter_map(object).collect();
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn tops(&self) -> io::Result<Vec<String>> {
        let prefix = Path::parse(self.place.prefix.trim_end_matches('/')).expect("it was parsed");
        let prefix = Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let (listed, _) =
            self.ask(async || within(SILENCE_MAX, self.store.list_with_delimiter(prefix)).await);
        let listed = listed.map_err(|trouble| self.told(&trouble))?;
        let mut tops: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| self.name(path)).collect();
        tops.sort_unstable();
        Ok(tops)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        let (removed, _) = self.ask(async || within(SILENCE_MAX, self.store.delete(&path)).await);
        match removed {
            Err(trouble) if trouble.is_missing_object() => Ok(()),
            removed => removed.map_err(|trouble| self.told(&trouble)),
        }
    }

    /// Nothing is stored in part.
    fn remove_partials(&self, _before: Timestamp) -> io::Result<usize> {
        Ok(0)
    }

    fn keeps_versions(&self) -> bool {
        self.keeps_versions.load(Ordering::Relaxed)
    }
}

/// As much of an object as has come.
struct Fetched {
    content: Vec<u8>,
    /// Tells that it is still the same object.
    tag: Option<String>,
}

impl Fetched {
    /// Fetches the rest; `false` if it is larger than it may be.
    async fn go_on(
        &mut self,
        store: &AmazonS3,
        path: &Path,
        bytes_max: u64,
    ) -> Result<bool, Trouble> {
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).expect("it is in memory");
        if self.tag.is_none() {
            // Nobody could tell whether what comes next is of the same object.
            self.content.clear();
        }
        let there = length(&self.content);
        let options = GetOptions {
            range: (0 < there).then_some(GetRange::Offset(there)),
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        let answer = within(SILENCE_MAX, store.get_opts(path, options)).await?;
        let size = answer.meta.size;
        if bytes_max < size {
            return Ok(false);
        }
        self.tag.clone_from(&answer.meta.e_tag);
        let left = usize::try_from(size.saturating_sub(there));
        self.content.reserve_exact(left.map_err(|_| Trouble::Odd(format!("{size} bytes")))?);
        let mut stream = answer.into_stream();
        while let Some(part) = next_of(&mut stream).await? {
            if bytes_max < length(&self.content) + length(&part) {
                return Ok(false);
            }
            self.content.extend_from_slice(&part);
        }
        if length(&self.content) < size {
            return Err(Trouble::Cut(format!("{} of {size} bytes", self.content.len())));
        }
        Ok(true)
    }
}
