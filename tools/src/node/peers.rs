//! The other nodes: what they say when they are asked, each within a moment.

use crate::target::PATIENCE;
use florin_client::group::{HasPosition, Promise, Promised};
use florin_client::{Client, ClientError, ClientOptions, ReplicationStatus};
use florin_core::log::FramePosition;
use florin_core::{Database, Error, ErrorKind};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a node may take to say how it stands before it counts as gone.
const MOMENT: Duration = Duration::from_secs(1);
/// How long it may take to promise: it syncs what it is taking, and then its promise.
const PROMISE_PATIENCE: Duration = Duration::from_secs(10);

/// How the other nodes are reached.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    options: ClientOptions,
}

/// A life of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bank {
    pub(crate) incarnation: u128,
    pub(crate) life: u128,
}

impl Bank {
    /// That of a database; of one that is closed none.
    pub(crate) fn of(database: &Database) -> Bank {
        Bank { incarnation: database.incarnation().unwrap_or(0), life: database.life() }
    }
}

/// What a node said of itself.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) address: String,
    pub(crate) status: ReplicationStatus,
}

impl View {
    /// Whether it decides.
    pub(crate) fn is_primary(&self) -> bool {
        self.status.standby.is_none() && !self.status.is_deposed
    }
}

impl Peers {
    pub(crate) fn new(options: ClientOptions) -> Peers {
        Peers { options }
    }

    /// For whoever speaks to them for long.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// What those that answer say, if they have this life of this database: others have no say.
    pub(crate) async fn survey(&self, bank: Bank, addresses: &[String]) -> Vec<View> {
        let ask = |client: Client| async move { client.replication().await };
        let views = self.ask_all(addresses, MOMENT, ask).await.into_iter();
        let is_ours = |view: &View| {
            (view.status.incarnation, view.status.life) == (bank.incarnation, bank.life)
        };
        views.map(|(address, status)| View { address, status }).filter(is_ours).collect()
    }

    /// What those that answer have promised.
    pub(crate) async fn promises(
        &self,
        addresses: &[String],
        promise: Promise,
    ) -> Vec<(String, Promised)> {
        let ask = move |client: Client| async move { client.promise(promise).await };
        self.ask_all(addresses, PROMISE_PATIENCE, ask).await
    }

    async fn ask_all<T, F>(
        &self,
        addresses: &[String],
        patience: Duration,
        ask: impl Fn(Client) -> F + Clone + Send + 'static,
    ) -> Vec<(String, T)>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ClientError>> + Send + 'static,
    {
        let mut asked = JoinSet::new();
        for address in addresses {
            let (address, options, ask) = (address.clone(), self.impatient(patience), ask.clone());
            asked.spawn(async move {
                let client = Client::connect(&address, options).await.ok()?;
                Some((address, ask(client).await.ok()?))
            });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }

    /// Asked once, and not for long.
    fn impatient(&self, deadline: Duration) -> ClientOptions {
        let options = self.options.clone();
        ClientOptions { deadline, connect_timeout: MOMENT, attempts_max: 1, ..options }
    }

    /// The header that a copy of a node's log begins with.
    ///
    /// # Errors
    /// If it can't be had.
    pub(crate) async fn origin(&self, address: &str) -> Result<Vec<u8>, Error> {
        let client = self.connect(address).await?;
        let origin = client.log_origin().await.map_err(|error| unreachable(address, &error))?;
        Ok(origin.to_vec())
    }

    /// A connection to a primary, on which answers may take their time: to the node at an address, or to whom that
    /// follows, so many times at most and as far as they can be reached.
    ///
    /// # Errors
    /// If the node at the address can't be reached.
    pub(crate) async fn primary_from(
        &self,
        address: &str,
        hops_max: usize,
    ) -> Result<Client, Error> {
        let mut client = self.connect(address).await?;
        for _ in 0..hops_max {
            let standby = client.replication().await.ok().and_then(|status| status.standby);
            let Some(primary) = standby.map(|standby| standby.primary) else { break };
            let Ok(next) = self.connect(&primary).await else { break };
            client = next;
        }
        Ok(client)
    }

    /// Whether a node's log has a position.
    ///
    /// # Errors
    /// If it can't be asked.
    pub(crate) async fn has_position(
        &self,
        client: &Client,
        incarnation: u128,
        position: FramePosition,
    ) -> Result<bool, Error> {
        let FramePosition { lsn, sequence, chain } = position;
        let asked = HasPosition { incarnation, lsn, sequence, chain };
        client.has_position(asked).await.map_err(|error| unreachable("the new primary", &error))
    }

    /// A connection on which answers may take their time.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn connect(&self, address: &str) -> Result<Client, Error> {
        let client = Client::connect(address, self.options.clone()).await;
        Ok(client.map_err(|error| unreachable(address, &error))?.with_deadline(PATIENCE))
    }
}

fn unreachable(address: &str, error: &ClientError) -> Error {
    Error::new(ErrorKind::Unusable, format!("asking {address}: {error}"))
}
