//! How etcd is reached, and how its members know whoever asks.

use std::fmt;
use std::time::Duration;

/// How etcd is reached. The defaults suit a cluster in the same region.
#[derive(Clone, Debug)]
pub struct CoordinationOptions {
    /// How members are known, and how they know us; `None`: no TLS, and only members on this machine are
    /// asked. Whoever sits in between decides who may decide.
    pub tls: Option<EtcdTls>,
    /// A user of etcd, if it asks for one.
    pub login: Option<EtcdLogin>,
    /// How long a connection to a member may take, TLS included.
    pub connect_timeout: Duration,
    /// How long one member may take to answer before the next is asked.
    pub answer_timeout: Duration,
}

impl Default for CoordinationOptions {
    fn default() -> CoordinationOptions {
        CoordinationOptions {
            tls: None,
            login: None,
            connect_timeout: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(1),
        }
    }
}

/// TLS to the members of etcd.
#[derive(Clone)]
pub struct EtcdTls {
    /// Certificates of the authorities that are believed, PEM.
    pub authorities_pem: Vec<u8>,
    /// A certificate of our own and its key, PEM, if members ask for one.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that their certificates must have; `None`: the host of each endpoint.
    pub server_name: Option<String>,
}

impl fmt::Debug for EtcdTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// A user of etcd.
#[derive(Clone)]
pub struct EtcdLogin {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
}

impl fmt::Debug for EtcdLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdLogin").field("name", &self.name).finish_non_exhaustive()
    }
}
