//! TLS 1.3, and the certificate that it shows: read from two files, and read again when they
//! change.
//!
//! Nothing older than 1.3, no session resumed, no early data: each connection has made its keys
//! itself, so the exporter that a client signs belongs to it alone.

use florin_wire::Binding;
use florin_wire::proof::{EXPORTER_BYTES, EXPORTER_LABEL};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The protocol inside TLS, for clients that name one (ALPN): bytes of another protocol that were
/// sent here by a trick end at the handshake.
pub const ALPN: &[u8] = b"florin";

/// A certificate and its key, from two PEM files. New connections get what was read last.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// When the files were written that were read last, fit for use or not.
    written: Written,
}

/// When both files were last written, and how long they are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Written([(SystemTime, u64); 2]);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} is not what it should be: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate and key do not go together, or can't be used for TLS 1.3.
    #[error("{} and {} can't be used together: {source}", certificate.display(), key.display())]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

impl Certificates {
    /// Reads a certificate (its chain behind it) and its private key.
    ///
    /// # Errors
    /// If they can't be read or used.
    pub fn load(certificate: &Path, key: &Path) -> Result<Certificates, CertificateError> {
        let written = Written::of(certificate, key)?;
        let config = read(certificate, key)?;
        Ok(Certificates {
            certificate: certificate.to_path_buf(),
            key: key.to_path_buf(),
            current: Mutex::new(Current { config, written }),
        })
    }

    /// Reads both files again. New connections get the new certificate; those that are open keep
    /// theirs.
    ///
    /// # Errors
    /// If they can't be read or used; the certificate stays the one that it was.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let written = Written::of(&self.certificate, &self.key)?;
        self.lock().written = written;
        let config = read(&self.certificate, &self.key)?;
        self.lock().config = config;
        Ok(())
    }

    /// Whether a file was written since both were read last: then it is time to
    /// [`Certificates::reload`]. A file that is gone counts as it was.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        let written = Written::of(&self.certificate, &self.key);
        written.is_ok_and(|written| written != self.lock().written)
    }

    /// Shakes hands with a peer.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.lock().config);
        TlsAcceptor::from(config).accept(stream).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Certificates { certificate, key, .. } = self;
        f.debug_struct("Certificates").field("certificate", certificate).field("key", key).finish()
    }
}

impl Written {
    fn of(certificate: &Path, key: &Path) -> Result<Written, CertificateError> {
        let written = |path: &Path| {
            let found = std::fs::metadata(path).and_then(|it| Ok((it.modified()?, it.len())));
            found.map_err(|source| CertificateError::Read { path: path.to_path_buf(), source })
        };
        Ok(Written([written(certificate)?, written(key)?]))
    }
}

/// What ties a client's proof to this connection.
///
/// # Errors
/// If the handshake is not done; it is, once a stream is there.
pub(crate) fn binding(stream: &TlsStream<TcpStream>) -> Result<Binding, rustls::Error> {
    let (_, session) = stream.get_ref();
    let exporter = session.export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, None)?;
    Ok(Binding::Exporter(exporter))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let content = |path: &Path, reason: &dyn fmt::Display| CertificateError::Content {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    };
    let bytes = |path: &Path| {
        std::fs::read(path)
            .map_err(|source| CertificateError::Read { path: path.to_path_buf(), source })
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| content(certificate, &error))?;
    if chain.is_empty() {
        return Err(content(certificate, &"it holds no certificate in PEM"));
    }
    let secret =
        PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|error| content(key, &error))?;
    let unfit = |source| CertificateError::Unfit {
        certificate: certificate.to_path_buf(),
        key: key.to_path_buf(),
        source,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unfit)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
