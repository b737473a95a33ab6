//! The flags that close a server's doors, and what keeps them as the files say while it runs.

use crate::exit::Failure;
use clap::Args;
use florin_server::{Admission, Certificates, Doors, Forbidden, RefusalSink, Transport};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::interval;

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

    /// Serve without TLS, on loopback only: everyone on this machine may listen in, and read and
    /// post unless --ask-for-keys says otherwise
    #[arg(long)]
    insecure_loopback: bool,

    /// Let in the ledger's own keys and nobody else (florin keys); always so with TLS
    #[arg(long)]
    ask_for_keys: bool,
}

/// The doors of a server that runs.
pub(crate) struct Doorkeeper {
    pub(crate) doors: Doors,
    certificates: Option<Arc<Certificates>>,
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
                     lets known keys in over TLS, --insecure-loopback lets in everyone on this \
                     machine, without TLS",
                ));
            }
        };
        let mut doors = Doors::insecure_loopback();
        doors.transport = transport;
        doors.refusals = Arc::new(ReportedRefusals::start());
        if certificates.is_some() || self.ask_for_keys {
            doors.admission = Admission::Documents;
        }
        Ok(Doorkeeper { doors, certificates })
    }
}

impl Doorkeeper {
    /// Reads the certificate again whenever its files change or `hangup` (SIGHUP) comes; never
    /// returns. What can't be used is reported, and what was read before stays.
    pub(crate) async fn keep(self, mut hangup: Signal) {
        let mut certificates_interval = interval(CERTIFICATES_INTERVAL);
        loop {
            tokio::select! {
                _ = hangup.recv() => self.read_certificates(),
                _ = certificates_interval.tick() => {
                    if self.certificates.as_ref().is_some_and(|it| it.have_changed()) {
                        self.read_certificates();
                    }
                }
            }
        }
    }

    /// Says so if nobody can come in: whoever starts a new server learns how to.
    pub(crate) fn warn_of_no_keys(&self, data: &Path, active_count: u64) {
        if matches!(self.doors.admission, Admission::Documents) && active_count == 0 {
            report(&format_args!(
                "no key may come in: stop the server, and let in an operator's with florin keys add \
                 --data {} --name NAME --role operate PUBLICKEY",
                data.display()
            ));
        }
    }

    fn read_certificates(&self) {
        let Some(certificates) = &self.certificates else { return };
        match certificates.reload() {
            Ok(()) => report(&"new connections get the certificate that was read now"),
            Err(error) => report(&format_args!("{error}; the certificate stays as it was")),
        }
    }
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
