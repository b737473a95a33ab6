//! Where the server looks keys up.

use crate::key::ClientKey;
use florin_wire::PublicKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The keys that may come in. Look-ups are on the way of every connection: they answer from memory.
pub trait KeyDirectory: Send + Sync + 'static {
    /// The key, unless it is unknown or revoked.
    fn find(&self, key: PublicKey) -> Option<Arc<ClientKey>>;

    /// A counter that rises when [`KeyDirectory::find`] may answer otherwise than before. Open
    /// connections look their key up again then, so a key that is revoked is out at once.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Keys in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryKeys(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    keys: RwLock<HashMap<PublicKey, Arc<ClientKey>>>,
    changes: watch::Sender<u64>,
}

impl MemoryKeys {
    /// A directory of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = ClientKey>) -> MemoryKeys {
        let (changes, _) = watch::channel(0);
        let shelf = Shelf { keys: RwLock::new(by_key(keys)), changes };
        MemoryKeys(Arc::new(shelf))
    }

    /// Puts other keys in the place of all that were there.
    pub fn replace(&self, keys: impl IntoIterator<Item = ClientKey>) {
        let keys = by_key(keys);
        {
            // A whole map takes the place of another, so a panic elsewhere left nothing half done.
            let mut shelf = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
            if *shelf == keys {
                return;
            }
            *shelf = keys;
        }
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Takes keys away, and leaves all others.
    pub(crate) fn remove(&self, keys: &[PublicKey]) {
        {
            // Whoever is stopped half way has let nobody in.
            let mut shelf = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                shelf.remove(key);
            }
        }
        self.0.changes.send_modify(|count| *count += 1);
    }
}

impl KeyDirectory for MemoryKeys {
    fn find(&self, key: PublicKey) -> Option<Arc<ClientKey>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

fn by_key(keys: impl IntoIterator<Item = ClientKey>) -> HashMap<PublicKey, Arc<ClientKey>> {
    keys.into_iter().map(|key| (key.key, Arc::new(key))).collect()
}
