//! How a client behaves.

use std::time::Duration;

/// How a client behaves. The defaults suit a service in the same data centre.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Named to the server for its logs; at most 64 bytes.
    pub name: String,
    /// How long a call may take, retries included. [`crate::Client::with_deadline`] sets another
    /// for some calls.
    pub deadline: Duration,
    /// How long a connection may take, hello included.
    pub connect_timeout: Duration,
    /// Times a call is sent at most, within its deadline. Safe because ids make every request
    /// idempotent. One: never sent again.
    pub attempts_max: u32,
    /// Requests waiting for their answer at most; further calls wait for a place.
    pub requests_in_flight_max: usize,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            name: String::from("florin-client"),
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            attempts_max: 16,
            requests_in_flight_max: 64,
        }
    }
}
