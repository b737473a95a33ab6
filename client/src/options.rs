//! How a client behaves.

use crate::key::SecretKey;
use crate::tls::ClientTls;
use std::time::Duration;

/// How a client behaves. The defaults suit a service in the same data centre.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Named to the server for its logs; at most 64 bytes.
    pub name: String,
    /// How long a call may take, retries included. [`crate::Client::with_deadline`] sets another
    /// for some calls.
    pub deadline: Duration,
    /// How a server is known; `None`: no TLS, and only servers on this machine are spoken to.
    pub tls: Option<ClientTls>,
    /// How a server knows this client; `None`: it must let in everyone. With a key, a server that
    /// does not ask for it is not spoken to.
    pub key: Option<SecretKey>,
    /// How long a connection may take, TLS, hello and proof included; where several servers are named, the
    /// question which of them decides, too.
    pub connect_timeout: Duration,
    /// Times a call is sent at most, within its deadline. Safe because ids make every request
    /// idempotent. One: never sent again. Where several servers are named, attempts that reached nobody who
    /// decides do not count.
    pub attempts_max: u32,
    /// Requests waiting for their answer at most; further calls wait for a place.
    pub requests_in_flight_max: usize,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            name: String::from("florin-client"),
            tls: None,
            key: None,
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            attempts_max: 16,
            requests_in_flight_max: 64,
        }
    }
}
