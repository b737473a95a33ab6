//! A server with closed doors, and what it takes to come in: certificates, keys, proofs. Each step
//! can be done wrongly.

use crate::harness::{Engine, Peer, Running, transfer};
use bytes::{Bytes, BytesMut};
use ed25519_dalek::{Signer, SigningKey};
use florin_ledger::LedgerId;
use florin_server::{
    ALPN, Admission, Certificates, ClientKey, Doors, KeyLimits, MemoryKeys, ServerOptions,
};
use florin_wire::proof::{EXPORTER_LABEL, FEATURE_KEY};
use florin_wire::{
    Binding, Challenge, ClientHello, Proof, PublicKey, Role, Roles, ServerHello, Transcript,
    Verdict, Versions, frame,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who signs certificates.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(parameters, key) }
    }

    /// Writes a certificate for this machine and its key.
    pub(crate) fn certify(&self, directory: &Path) -> Files {
        let parameters = CertificateParams::new(vec![String::from("localhost")]).unwrap();
        self.certify_as(parameters, directory)
    }

    /// The same with other contents.
    pub(crate) fn certify_as(&self, parameters: CertificateParams, directory: &Path) -> Files {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let files =
            Files { certificate: directory.join("server.pem"), key: directory.join("server.key") };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// A client that trusts what this authority signed and nothing else.
    pub(crate) fn trusting(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config
    }
}

/// A certificate and its key.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn load(&self) -> Arc<Certificates> {
        Arc::new(Certificates::load(&self.certificate, &self.key).unwrap())
    }
}

/// The key number `n` of these tests.
pub(crate) fn secret(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

pub(crate) fn public(secret: &SigningKey) -> PublicKey {
    PublicKey(secret.verifying_key().to_bytes())
}

/// A key that may read and write everything.
pub(crate) fn teller(secret: &SigningKey) -> ClientKey {
    ClientKey {
        key: public(secret),
        name: String::from("teller"),
        roles: Roles::from_iter([Role::Read, Role::Write]),
        limits: KeyLimits::default(),
    }
}

/// The same, in one ledger only.
pub(crate) fn teller_of(secret: &SigningKey, ledger: u32) -> ClientKey {
    let limits = KeyLimits { ledgers: Some([LedgerId(ledger)].into()), ..KeyLimits::default() };
    ClientKey { limits, ..teller(secret) }
}

/// A server with a certificate that knows some keys.
pub(crate) struct Closed {
    pub(crate) server: Running,
    pub(crate) engine: Engine,
    pub(crate) authority: Authority,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) keys: MemoryKeys,
    pub(crate) directory: TempDir,
}

impl Closed {
    pub(crate) async fn start(keys: impl IntoIterator<Item = ClientKey>) -> Closed {
        let authority = Authority::new();
        let directory = tempfile::tempdir().unwrap();
        let certificates = authority.certify(directory.path()).load();
        let keys = MemoryKeys::new(keys);
        let admission = Admission::Directory(Arc::new(keys.clone()));
        let doors = Doors { admission, ..Doors::closed(Arc::clone(&certificates)) };
        let (server, engine) = Running::start(ServerOptions::behind(doors)).await;
        Closed { server, engine, authority, certificates, keys, directory }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// TLS with the server, and nothing said inside it.
    pub(crate) async fn secured(&self) -> Peer<TlsStream<TcpStream>> {
        let config = self.authority.trusting(&[&rustls::version::TLS13]);
        Peer::over(secured(config, self.address()).await.unwrap())
    }

    /// A peer that has come in by a key.
    pub(crate) async fn admitted(&self, secret: &SigningKey) -> Peer<TlsStream<TcpStream>> {
        let mut peer = self.secured().await;
        let verdict = peer.introduce(secret).await;
        assert!(matches!(verdict, Verdict::Admitted { .. }), "{verdict:?}");
        peer
    }

    /// That the holder of a key comes in and is served.
    pub(crate) async fn serves(&mut self, secret: &SigningKey) {
        let mut peer = self.admitted(secret).await;
        peer.create_transfers(1, &[transfer(77)]).await;
        let (_, reply) = self.engine.next_transfers().await;
        reply(Ok(florin_core::request::Reply::Transfers(vec![crate::harness::created(1)])));
        assert_eq!(peer.results(1).await, [crate::harness::created(1)]);
    }
}

/// Shakes hands with whatever listens there.
pub(crate) async fn secured(
    config: ClientConfig,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// What a client has seen before it proves its key.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) client_hello: Bytes,
    pub(crate) server_hello: Bytes,
    pub(crate) challenge: Challenge,
    pub(crate) binding: Binding,
}

impl Seen {
    pub(crate) fn proof(&self, secret: &SigningKey) -> Proof {
        let ServerHello::Welcome(welcome) = ServerHello::decode(&self.server_hello).unwrap() else {
            unreachable!("refused")
        };
        let transcript = Transcript {
            version: welcome.version,
            incarnation: welcome.incarnation,
            client_hello: &self.client_hello,
            server_hello: &self.server_hello,
            challenge: &self.challenge,
            binding: &self.binding,
        };
        let signature = secret.sign(&transcript.to_bytes()).to_bytes();
        Proof { key: public(secret), signature }
    }
}

/// The hello of a client that has a key.
pub(crate) fn hello_with_key() -> Bytes {
    let hello = ClientHello {
        versions: Versions::SPOKEN,
        features: FEATURE_KEY,
        name: String::from("test"),
    };
    let mut out = BytesMut::new();
    hello.write(&mut out);
    out.freeze()
}

/// The payload as a frame.
pub(crate) fn framed(payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    frame::write(&mut out, payload, |_| {});
    out.freeze()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Hellos and challenge, as a peer whose connection has this binding sees them.
    pub(crate) async fn see(&mut self, binding: Binding) -> Seen {
        let client_hello = hello_with_key();
        self.say(&framed(&client_hello)).await;
        let server_hello = self.payload().await.unwrap();
        let challenge = Challenge::decode(&self.payload().await.unwrap()).unwrap();
        Seen { client_hello, server_hello, challenge, binding }
    }

    pub(crate) async fn prove(&mut self, proof: &Proof) -> Verdict {
        let mut out = BytesMut::new();
        proof.write(&mut out);
        self.say(&framed(&out)).await;
        Verdict::decode(&self.payload().await.unwrap()).unwrap()
    }
}

impl Peer<TlsStream<TcpStream>> {
    pub(crate) fn binding(&mut self) -> Binding {
        let (_, session) = self.stream().get_ref();
        Binding::Exporter(session.export_keying_material([0; 32], EXPORTER_LABEL, None).unwrap())
    }

    /// Everything up to the verdict, done well.
    pub(crate) async fn introduce(&mut self, secret: &SigningKey) -> Verdict {
        let binding = self.binding();
        let seen = self.see(binding).await;
        self.prove(&seen.proof(secret)).await
    }
}
