//! The keys that may come in, as the table of clients' keys has them now.
//!
//! - The table is the truth, and is read whole whenever anything in it has changed, whoever changed
//!   it: a client, the process that embeds the engine, an expiry. So what is known never depends on
//!   which changes were seen, or in what order.
//! - The engine says that something changed ([`Ledger::on_client_keys`]); the log itself is not read
//!   along, which would cost a server under load a core.
//! - What can't be read changes nothing: the keys stay as they were, and reading is tried again. But
//!   keys whose change is about to be answered are out until it could be read.

use crate::directory::{KeyDirectory, MemoryKeys};
use crate::key::ClientKey;
use crate::key_table::{KeyFlaw, KeyTable};
use crate::ledger::{Found, Ledger, Read};
use crate::limits::{KEYS_MAX, KEYS_PAGE, KEYS_PAUSE};
use crate::metrics::ServerMetrics;
use florin_core::{Error, ErrorKind};
use florin_ledger::document::DocumentScan;
use florin_ledger::{Document, DocumentKey, TableId};
use florin_wire::PublicKey;
use std::sync::Arc;
use tokio::sync::{Mutex, Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{error, info};

/// The directory of the keys that are documents. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct TableKeys {
    known: MemoryKeys,
    /// Held from reading the table to taking over what it says, so that an older reading never takes
    /// the place of a newer one. What was complained of last.
    reading: Arc<Mutex<Vec<KeyFlaw>>>,
    /// Has the follower read the table although nothing changed.
    again: Arc<Notify>,
    metrics: Arc<ServerMetrics>,
}

/// Keeps a directory as the table says. It ends when it is dropped, and has ended when
/// [`Follower::end`] returns.
#[derive(Debug)]
pub(crate) struct Follower {
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl TableKeys {
    /// Reads the table, and goes on following it.
    ///
    /// # Errors
    /// If the table can't be read.
    pub(crate) async fn open<L: Ledger>(
        ledger: &L,
        metrics: Arc<ServerMetrics>,
    ) -> Result<(TableKeys, Follower), Error> {
        let (sender, changed) = watch::channel(());
        // Before the table is read, so that no change falls in between.
        ledger.on_client_keys(move || sender.send_replace(()));
        let keys = TableKeys {
            known: MemoryKeys::new([]),
            reading: Arc::default(),
            again: Arc::default(),
            metrics,
        };
        keys.refresh(ledger).await?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(keys.clone().follow(ledger.clone(), changed, ended));
        Ok((keys, Follower { task, end }))
    }

    /// Takes over what the table says now, once the engine has time for it.
    ///
    /// # Errors
    /// If it can't be read: then the keys are what they were.
    pub(crate) async fn refresh<L: Ledger>(&self, ledger: &L) -> Result<(), Error> {
        let mut told = self.reading.lock().await;
        let table = loop {
            match read_blocking(ledger).await {
                Err(error) if error.kind() == ErrorKind::Busy => sleep(KEYS_PAUSE).await,
                read => break read?,
            }
        };
        for flaw in table.flaws().iter().filter(|flaw| !told.contains(flaw)) {
            error!("{flaw}");
        }
        *told = table.flaws().to_vec();
        let may_come_in: Vec<ClientKey> = table.client_keys();
        let known_count = table.iter().count();
        self.metrics.know_keys(may_come_in.len(), known_count - may_come_in.len(), told.len());
        self.known.replace(may_come_in);
        Ok(())
    }

    /// Takes keys out until the table was read again: those that may stay come back then.
    pub(crate) async fn forget(&self, keys: &[PublicKey]) {
        {
            // A reading that is under way may be older than what makes them go.
            let _told = self.reading.lock().await;
            self.known.remove(keys);
        }
        // The follower may have read what changed them already, and put them back just before.
        self.again.notify_one();
    }

    async fn follow<L: Ledger>(
        self,
        ledger: L,
        mut changed: watch::Receiver<()>,
        mut ended: oneshot::Receiver<()>,
    ) {
        loop {
            tokio::select! {
                biased;
                _ = &mut ended => return,
                // Without a sender there is no engine that could change anything.
                change = changed.changed() => if change.is_err() { return },
                () = self.again.notified() => {}
            }
            let mut is_told = false;
            while let Err(failed) = self.refresh(&ledger).await {
                if failed.kind() == ErrorKind::Stopped {
                    return;
                }
                self.metrics.fail_to_read_keys();
                if !is_told {
                    error!("the keys of clients stay as they were: {failed}");
                }
                is_told = true;
                tokio::select! {
                    biased;
                    _ = &mut ended => return,
                    () = sleep(KEYS_PAUSE) => {}
                }
            }
            info!(count = self.metrics.keys_active(), "keys may come in");
        }
    }
}

impl KeyDirectory for TableKeys {
    fn find(&self, key: PublicKey) -> Option<Arc<ClientKey>> {
        self.known.find(key)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.known.changes()
    }
}

impl Follower {
    /// Returns when nothing holds the engine any more.
    pub(crate) async fn end(self) {
        drop(self.end);
        self.task.await.expect("following keys does not panic");
    }
}

/// The table, read on a thread that may block.
///
/// # Errors
/// Those of the engine.
pub(crate) async fn read_blocking<L: Ledger>(ledger: &L) -> Result<KeyTable, Error> {
    let ledger = ledger.clone();
    let reading = tokio::task::spawn_blocking(move || read(&ledger));
    reading.await.expect("reading documents does not panic")
}

fn read<L: Ledger>(ledger: &L) -> Result<KeyTable, Error> {
    let (mut documents, mut flaws) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let scan = scan_after(after.take());
        let page = match ledger.read(&Read::ScanDocuments(scan.clone())) {
            // One value that is damaged must not stand for all others.
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                read_singly(ledger, scan, &mut flaws)?
            }
            read => found(read?),
        };
        documents.extend(page.documents.into_iter().flatten());
        if KEYS_MAX <= documents.len() + flaws.len() && page.next.is_some() {
            let key = page.next.unwrap_or_default();
            let reason =
                format!("a server knows at most {KEYS_MAX} keys, and none behind this one");
            flaws.push(KeyFlaw { key, reason });
            break;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(KeyTable::new(documents, flaws))
}

fn read_singly<L: Ledger>(
    ledger: &L,
    scan: DocumentScan,
    flaws: &mut Vec<KeyFlaw>,
) -> Result<florin_wire::documents::Found, Error> {
    let scan = DocumentScan { keys_only: true, ..scan };
    let mut page = found(ledger.read(&Read::ScanDocuments(scan))?);
    let mut readable: Vec<Option<Document>> = Vec::new();
    for Document { key, .. } in page.documents.drain(..).flatten() {
        let named = DocumentKey { table: TableId::CLIENT_KEYS, key: key.clone() };
        match ledger.read(&Read::Documents(vec![named])) {
            Ok(read) => readable.extend(found(read).documents),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                flaws.push(KeyFlaw { key, reason: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    page.documents = readable;
    Ok(page)
}

fn scan_after(after: Option<Vec<u8>>) -> DocumentScan {
    DocumentScan { table: TableId::CLIENT_KEYS, after, limit: KEYS_PAGE, ..DocumentScan::default() }
}

fn found(found: Found) -> florin_wire::documents::Found {
    match found {
        Found::Documents(found) => found,
        _ => unreachable!("an engine answers a question about documents with documents"),
    }
}
