//! The flags that close a server's doors, and what keeps them as the files say while it runs.

use crate::exit::Failure;
use clap::Args;
use florin_server::{Certificates, Doors, Forbidden, KeyFile, MemoryKeys, RefusalSink, Transport};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::Signal;
use tokio::time::interval;

/// How often the file of keys is looked at: a revoked key is out a second later at most.
const KEYS_INTERVAL: Duration = Duration::from_millis(250);
/// How often the certificate's files are looked at.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(30);
/// Refusals that wait to be written; more are counted only.
const REPORTS_WAITING_MAX: usize = 64;

/// The flags that close a server's doors.
#[derive(Args, Debug)]
pub(crate) struct DoorFlags {
    /// Serve TLS 1.3 with the certificate (chain) in this PEM file; read again on SIGHUP and when
    /// it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "insecure_loopback")]
    tls_certificate: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Let in the keys of this file and nobody else; read again on SIGHUP and when it changes
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Serve without TLS, on loopback only: everyone on this machine may listen in, and read and
    /// post unless --keys says otherwise
    #[arg(long)]
    insecure_loopback: bool,
}

/// The doors of a server that runs.
pub(crate) struct Doorkeeper {
    pub(crate) doors: Doors,
    certificates: Option<Arc<Certificates>>,
    keys: Option<Keys>,
}

/// A file of keys and what was read of it.
struct Keys {
    path: PathBuf,
    known: MemoryKeys,
    written: Option<(SystemTime, u64)>,
}

impl DoorFlags {
    /// The doors as the flags say.
    ///
    /// # Errors
    /// If the flags leave open who may come in, or a file can't be used.
    pub(crate) fn doors(&self) -> Result<Doorkeeper, Failure> {
        let unusable = |error: &dyn fmt::Display| Failure::unavailable(error.to_string());
        let certificates = match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let read =
                    Certificates::load(certificate, key).map_err(|error| unusable(&error))?;
                Some(Arc::new(read))
            }
            _ => None,
        };
        let transport = match &certificates {
            Some(certificates) => Transport::Tls(Arc::clone(certificates)),
            None if self.insecure_loopback => Transport::InsecureLoopback,
            None => {
                return Err(Failure::usage(
                    "say how the server is protected: --tls-certificate FILE --tls-key FILE \
                     --keys FILE lets known keys in over TLS, --insecure-loopback lets in everyone \
                     on this machine, without TLS",
                ));
            }
        };
        if certificates.is_some() && self.keys.is_none() {
            return Err(Failure::usage(
                "say whom to let in: --keys FILE names the file that florin keys add writes",
            ));
        }
        let keys = match &self.keys {
            Some(path) => {
                let written = written(path);
                let file = KeyFile::read(path).map_err(|error| unusable(&error))?;
                let known = MemoryKeys::new(file.client_keys());
                Some(Keys { path: path.clone(), known, written })
            }
            None => None,
        };
        let mut doors = Doors::insecure_loopback();
        doors.transport = transport;
        doors.refusals = Arc::new(ReportedRefusals::start());
        if let Some(keys) = &keys {
            doors.keys = Some(Arc::new(keys.known.clone()));
        }
        Ok(Doorkeeper { doors, certificates, keys })
    }
}

impl Doorkeeper {
    /// Reads the files again whenever they change or `hangup` (SIGHUP) comes; never returns. What
    /// can't be used is reported, and what was read before stays.
    pub(crate) async fn keep(mut self, mut hangup: Signal) {
        let mut keys_interval = interval(KEYS_INTERVAL);
        let mut certificates_interval = interval(CERTIFICATES_INTERVAL);
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    self.read_keys();
                    self.read_certificates();
                }
                _ = keys_interval.tick() => {
                    if self.keys.as_ref().is_some_and(|keys| written(&keys.path) != keys.written) {
                        self.read_keys();
                    }
                }
                _ = certificates_interval.tick() => {
                    if self.certificates.as_ref().is_some_and(|it| it.have_changed()) {
                        self.read_certificates();
                    }
                }
            }
        }
    }

    fn read_certificates(&self) {
        let Some(certificates) = &self.certificates else { return };
        match certificates.reload() {
            Ok(()) => report(&"new connections get the certificate that was read now"),
            Err(error) => report(&format_args!("{error}; the certificate stays as it was")),
        }
    }

    fn read_keys(&mut self) {
        let Some(keys) = &mut self.keys else { return };
        keys.written = written(&keys.path);
        match KeyFile::read(&keys.path) {
            Ok(file) => {
                let client_keys = file.client_keys();
                let count = client_keys.len();
                keys.known.replace(client_keys);
                report(&format_args!("{count} keys may come in by {}", keys.path.display()));
            }
            Err(error) => report(&format_args!("{error}; the keys stay as they were")),
        }
    }
}

/// When a file was last written, and how long it is; `None` if it is gone.
fn written(path: &Path) -> Option<(SystemTime, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// Says on standard error what happened. If even that can't be written, nobody is left to tell.
fn report(what: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "florin: {what}");
}

/// Writes refusals to standard error, from a thread of its own so that no connection waits for a
/// terminal, and counts what it can't keep up with.
struct ReportedRefusals {
    reports: SyncSender<String>,
    unsaid: Arc<AtomicU64>,
}

impl ReportedRefusals {
    fn start() -> ReportedRefusals {
        let (reports, waiting) = sync_channel::<String>(REPORTS_WAITING_MAX);
        let unsaid = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&unsaid);
        std::thread::spawn(move || {
            for line in waiting {
                report(&format_args!("forbidden: {line}"));
                let count = counted.swap(0, Ordering::Relaxed);
                if 0 < count {
                    report(&format_args!("forbidden: {count} more, too many to name"));
                }
            }
        });
        ReportedRefusals { reports, unsaid }
    }
}

impl RefusalSink for ReportedRefusals {
    fn forbidden(&self, forbidden: &Forbidden) {
        if let Err(TrySendError::Full(_)) = self.reports.try_send(forbidden.to_string()) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
        }
    }
}
