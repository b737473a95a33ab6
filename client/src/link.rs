//! The way to a server: one connection at a time, made anew by the call that finds it ended.

use crate::call::Call;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::options::ClientOptions;
use crate::tls;
use florin_ledger::Position;
use florin_wire::Binding;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// The way to one server.
pub(crate) struct Link {
    address: String,
    options: ClientOptions,
    state: Mutex<State>,
    /// Held while connecting, so that all who wait share one attempt.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The database that the first connection found. A connection that finds another must not be
    /// used: what is sent again there for safety would be posted to a stranger, or to a copy that
    /// was restored for a drill.
    incarnation: Option<u128>,
    /// Attempts to connect that failed so far.
    failures_count: u64,
    last_failure: Option<Failure>,
}

impl Link {
    /// A way that no connection has taken yet.
    pub(crate) fn new(address: &str, options: ClientOptions) -> Link {
        Link {
            address: String::from(address),
            options,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    /// Another way to the same database.
    pub(crate) fn another(&self) -> Link {
        let link = Link::new(&self.address, self.options.clone());
        link.lock().incarnation = self.lock().incarnation;
        link
    }

    /// One attempt at a call, of a server that has reached a position. Both go over one connection:
    /// behind one address there may be servers of which another is behind.
    pub(crate) async fn attempt<C: Call>(
        &self,
        call: &C,
        after: Position,
        deadline: Instant,
    ) -> Result<C::Answer, Failure> {
        let Ok(connection) = timeout_at(deadline, self.connection()).await else {
            let message = format!("no connection to {} came about in time", self.address);
            return Err(Failure::NotSent(message));
        };
        let connection = connection?;
        connection.await_position(after, deadline).await?;
        let reply = connection.request(C::OPERATION, call.body(), deadline).await?;
        call.decode(&reply).map_err(|error| {
            let message = format!("the server sent a malformed reply {error}");
            connection.end(message.clone());
            Failure::Lost(message)
        })
    }

    /// The open connection, or a new one.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, Failure> {
        let failures_before = {
            let state = self.lock();
            if let Some(connection) = state.open_connection() {
                return Ok(connection);
            }
            state.failures_count
        };
        let _connecting = self.connecting.lock().await;
        {
            let state = self.lock();
            if let Some(connection) = state.open_connection() {
                return Ok(connection);
            }
            // Somebody tried while this call waited for its turn; its failure is ours.
            if let Some(failure) = &state.last_failure
                && state.failures_count != failures_before
            {
                return Err(failure.clone());
            }
        }
        let connected = self.connect().await;
        let mut state = self.lock();
        match connected.and_then(|connection| state.admit(connection, &self.address)) {
            Ok(connection) => Ok(connection),
            Err(failure) => {
                state.failures_count += 1;
                state.last_failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let address = &self.address;
        let connect_timeout = self.options.connect_timeout;
        timeout(connect_timeout, self.open()).await.unwrap_or_else(|_| {
            let message = format!("{address} did not answer within {connect_timeout:?}");
            Err(Failure::NotSent(message))
        })
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let address = &self.address;
        let not_sent =
            |error: io::Error| Failure::NotSent(format!("can't connect to {address}: {error}"));
        let stream = TcpStream::connect(address).await.map_err(not_sent)?;
        let local = stream.local_addr().map_err(not_sent)?;
        // A request that waits for the acknowledgement of the one before it costs 40 ms.
        // Without the option the connection is slow, not wrong.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.options.tls else {
            check_plain(stream.peer_addr().map_err(not_sent)?)?;
            let (reader, writer) = stream.into_split();
            return Connection::open(reader, writer, local, &Binding::None, &self.options).await;
        };
        let stream = tls.connect(address, stream).await.map_err(|failure| {
            let message = format!("can't connect to {address}: {failure}");
            if failure.may_pass() { Failure::NotSent(message) } else { Failure::Hopeless(message) }
        })?;
        let binding = tls::binding(&stream)
            .map_err(|error| Failure::Hopeless(format!("tls gives no binding: {error}")))?;
        let (reader, writer) = tokio::io::split(stream);
        Connection::open(reader, writer, local, &binding, &self.options).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Money does not travel in the open: without TLS only this machine is spoken to.
fn check_plain(peer: SocketAddr) -> Result<(), Failure> {
    if peer.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Failure::Hopeless(format!(
        "{peer} is another machine, and without tls everyone in between could read and post: say \
         which authority to trust (--tls-ca FILE)"
    )))
}

impl State {
    fn open_connection(&self) -> Option<Arc<Connection>> {
        self.connection.as_ref().filter(|connection| connection.is_open()).cloned()
    }

    fn admit(&mut self, connection: Connection, address: &str) -> Result<Arc<Connection>, Failure> {
        let known = *self.incarnation.get_or_insert(connection.incarnation());
        if connection.incarnation() != known {
            return Err(Failure::Hopeless(format!(
                "{address} serves another database now ({:032x}, it was {known:032x}): if that is \
                 meant, connect anew",
                connection.incarnation()
            )));
        }
        let connection = Arc::new(connection);
        self.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::check_plain;

    /// A client that was given no authority by mistake must not post in the open.
    #[test]
    fn without_tls_only_this_machine_is_spoken_to() {
        for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check_plain(address.parse().unwrap()).is_ok(), "{address}");
        }
        for address in ["10.0.0.1:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
            assert!(check_plain(address.parse().unwrap()).is_err(), "{address}");
        }
    }
}
