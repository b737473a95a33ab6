//! TLS 1.3 to a server, and which servers are believed.

use crate::error::ConnectError;
use florin_wire::Binding;
use florin_wire::proof::{EXPORTER_BYTES, EXPORTER_LABEL};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Which servers are believed: those whose certificate one of these authorities has signed, for the
/// name that was asked for. The system's own authorities are not among them.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// `None`: the host of the address.
    server_name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// Believes what the authorities in a PEM file have signed; a server's own self-signed
    /// certificate is its own authority.
    ///
    /// # Errors
    /// If there is no certificate in it, or one that can't be an authority.
    pub fn trusting(authorities_pem: &[u8]) -> Result<ClientTls, ConnectError> {
        let unfit = |error: &dyn fmt::Display| ConnectError::Authority(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities_pem) {
            let certificate = certificate.map_err(|error| unfit(&error))?;
            roots.add(certificate).map_err(|error| unfit(&error))?;
        }
        if roots.is_empty() {
            return Err(unfit(&"it holds no certificate in PEM"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| unfit(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"florin".to_vec()];
        // Each connection makes its keys itself: the exporter that is signed belongs to it alone.
        config.resumption = Resumption::disabled();
        Ok(ClientTls { config: Arc::new(config), server_name: None })
    }

    /// Asks for a certificate of this name, whatever the address says.
    ///
    /// # Errors
    /// If that is no name of a host.
    pub fn with_server_name(self, name: &str) -> Result<ClientTls, ConnectError> {
        let name = parse_name(name)?;
        Ok(ClientTls { server_name: Some(name), ..self })
    }

    /// Shakes hands with the server at an address.
    pub(crate) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TlsFailure> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => parse_name(host(address)).map_err(TlsFailure::Address)?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        connector.connect(name, stream).await.map_err(TlsFailure::Handshake)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// How a handshake failed.
#[derive(Debug)]
pub(crate) enum TlsFailure {
    /// The address has no host that a certificate could name.
    Address(ConnectError),
    /// The other side, or what it showed.
    Handshake(io::Error),
}

impl TlsFailure {
    /// Whether another attempt may fare better: a connection that breaks may have met a server that
    /// stops, a certificate that is not believed stays so.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, TlsFailure::Handshake(error) if error.kind() != io::ErrorKind::InvalidData)
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            TlsFailure::Address(error) => return error.fmt(f),
            TlsFailure::Handshake(error) => error,
        };
        write!(f, "tls failed: {error}")?;
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner.and_then(advice) {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

/// What to do about an error of TLS, if its own words don't say.
fn advice(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error as E;
    Some(match error {
        E::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "trust the authority that signed the server's certificate (--tls-ca FILE), if that \
             is the right server"
        }
        E::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "renew the server's certificate, or mend this machine's clock",
        E::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "connect by a name that the certificate has, or say it (--tls-server-name NAME)",
        E::InvalidMessage(_) => "what listens there does not speak tls: connect without it",
        E::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks no tls 1.3: it is no florin server"
        }
        _ => return None,
    })
}

/// What ties a proof to this connection.
///
/// # Errors
/// If the handshake is not done; it is, once a stream is there.
pub(crate) fn binding(stream: &TlsStream<TcpStream>) -> Result<Binding, rustls::Error> {
    let (_, session) = stream.get_ref();
    let exporter = session.export_keying_material([0; EXPORTER_BYTES], EXPORTER_LABEL, None)?;
    Ok(Binding::Exporter(exporter))
}

fn parse_name(name: &str) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(String::from(name))
        .map_err(|_| ConnectError::ServerName(String::from(name)))
}

/// The host of `HOST:PORT`, an IPv6 address without its brackets.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_of_an_address_is_what_a_certificate_names() {
        assert_eq!(host("ledger.bank.example:3000"), "ledger.bank.example");
        assert_eq!(host("127.0.0.1:3000"), "127.0.0.1");
        assert_eq!(host("[::1]:3000"), "::1");
    }
}
