//! The way to whoever decides: one connection at a time, made anew by the call that finds it ended.
//!
//! - Where one address is named, whatever answers there is spoken to, a standby too.
//! - Where several are, all are asked at once what they are whenever a connection is made, and a primary is
//!   taken ([`roll_call`]). One that says later that it decides nothing, or not any more, is
//!   left; calls that wait for it still get their answers. So no call goes on from a server that nobody asked.
//! - All connections of a way lead to one database.

use crate::addresses::Addresses;
use crate::call::Call;
use crate::connection::Connection;
use crate::dial;
use crate::failure::Failure;
use crate::options::ClientOptions;
use crate::roll_call;
use florin_ledger::Position;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::{Instant, timeout, timeout_at};

/// The way to a server, or to whichever of several decides.
pub(crate) struct Link {
    addresses: Addresses,
    options: ClientOptions,
    state: Mutex<State>,
    /// Held while connecting, so that all who wait share one attempt.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// The address that the connection leads to.
    index: usize,
    /// The database that the first connection found. A connection that finds another must not be
    /// used: what is sent again there for safety would be posted to a stranger, or to a copy that
    /// was restored for a drill.
    incarnation: Option<u128>,
    /// The server that said last that it decides nothing, until one is taken.
    declined: Option<usize>,
    /// Attempts to connect that failed so far.
    failures_count: u64,
    last_failure: Option<Failure>,
}

impl Link {
    /// A way that no connection has taken yet, to `HOST:PORT` or to several with commas between them.
    pub(crate) fn new(addresses: &str, options: ClientOptions) -> Link {
        Link::to(Addresses::of(addresses), options)
    }

    fn to(addresses: Addresses, options: ClientOptions) -> Link {
        Link {
            addresses,
            options,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
        }
    }

    /// Another way to the same database.
    pub(crate) fn another(&self) -> Link {
        let link = Link::to(self.addresses.clone(), self.options.clone());
        link.lock().incarnation = self.lock().incarnation;
        link
    }

    /// The newest position that an answer over the present connection named.
    pub(crate) fn reached(&self) -> Position {
        self.lock().connection.as_ref().map_or(Position::NONE, |connection| connection.reached())
    }

    /// Whether there is another server to go to.
    pub(crate) fn leads_to_several(&self) -> bool {
        self.addresses.are_several()
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
            let message = format!("no connection to {} came about in time", self.addresses);
            return Err(Failure::NotSent(message));
        };
        let connection = connection?;
        let asked = async {
            connection.await_position(after, deadline).await?;
            connection.request(C::OPERATION, call.body(), deadline).await
        };
        let reply = asked.await.inspect_err(|failure| self.note(&connection, failure))?;
        call.decode(&reply).map_err(|error| {
            let message = format!("the server sent a malformed reply {error}");
            connection.end(message.clone());
            Failure::Lost(message)
        })
    }

    /// Notes how a request over a connection failed: where there are others, a server that says that it
    /// decides nothing is left.
    pub(crate) fn note(&self, connection: &Arc<Connection>, failure: &Failure) {
        if !self.leads_to_several() || !failure.points_elsewhere() {
            return;
        }
        let mut state = self.lock();
        // Many calls hear it, and only the first of them speaks of the connection that is there.
        if state.connection.as_ref().is_some_and(|there| Arc::ptr_eq(there, connection)) {
            state.connection = None;
            state.declined = Some(state.index);
        }
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
        let admitted = connected.and_then(|(index, connection)| {
            state.admit(index, connection, &self.addresses.all()[index])
        });
        match admitted {
            Ok(connection) => Ok(connection),
            Err(failure) => {
                state.failures_count += 1;
                state.last_failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// A connection to whoever decides, and the index of its address.
    async fn connect(&self) -> Result<(usize, Connection), Failure> {
        if let [address] = self.addresses.all() {
            let connect_timeout = self.options.connect_timeout;
            let opened = timeout(connect_timeout, dial::open(address, &self.options)).await;
            let unanswered = |_| Err(dial::unanswered(address, connect_timeout));
            return Ok((0, opened.unwrap_or_else(unanswered)?));
        }
        let (known, declined) = {
            let state = self.lock();
            (state.incarnation, state.declined)
        };
        roll_call::find_primary(&self.addresses, &self.options, known, declined).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is whole, so a panic elsewhere left nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open_connection(&self) -> Option<Arc<Connection>> {
        self.connection.as_ref().filter(|connection| connection.is_open()).cloned()
    }

    fn admit(
        &mut self,
        index: usize,
        connection: Connection,
        address: &str,
    ) -> Result<Arc<Connection>, Failure> {
        let known = *self.incarnation.get_or_insert(connection.incarnation());
        check_database(known, &connection, address)?;
        let connection = Arc::new(connection);
        self.connection = Some(Arc::clone(&connection));
        (self.index, self.declined) = (index, None);
        Ok(connection)
    }
}

/// That a server has the database that was found before.
pub(crate) fn check_database(
    known: u128,
    connection: &Connection,
    address: &str,
) -> Result<(), Failure> {
    let found = connection.incarnation();
    if found == known {
        return Ok(());
    }
    Err(Failure::Hopeless(format!(
        "{address} serves another database now ({found:032x}, it was {known:032x}): if that is \
         meant, connect anew"
    )))
}
