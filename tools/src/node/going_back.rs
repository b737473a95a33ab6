//! A node that goes back behind a later primary, between two servings of its directory.

use crate::exit::Failure;
use crate::node::peers::Peers;
use florin_core::following::{self, NewPrimary};
use florin_core::group::Term;
use florin_core::{Error, Options};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tracing::{info, warn};

/// How long a directory that was served may be in use afterwards.
const LET_GO_PATIENCE: Duration = Duration::from_secs(60);
/// How often it is tried meanwhile.
const LET_GO_PAUSE: Duration = Duration::from_millis(10);

/// Sets aside what the primary at an address never had.
///
/// # Errors
/// If it can't be asked, or is none that this node goes back to; what was begun is on record.
pub(crate) fn go_back(
    directory: &Path,
    options: &Options,
    runtime: &Runtime,
    peers: &Peers,
    address: &str,
) -> Result<(), Failure> {
    let unavailable = |error: Error| {
        Failure::unavailable(format!("can't go back to where {address} began: {error}"))
    };
    let client = runtime.block_on(peers.connect(address)).map_err(unavailable)?;
    let standing = runtime
        .block_on(client.replication())
        .map_err(|error| Failure::unavailable(format!("asking {address}: {error}")))?;
    let mut has = |incarnation, position| {
        runtime.block_on(peers.has_position(&client, incarnation, position))
    };
    let rewound = let_go_of(|| {
        let primary = NewPrimary { address, term: Term(standing.term), has: &mut has };
        following::rewind(directory, primary, options)
    });
    let rewound = rewound.map_err(unavailable)?;
    match rewound.set_aside {
        Some(place) => warn!(
            primary = address,
            "from log position {} on the new primary has another history: what this node had is in {place}",
            rewound.to
        ),
        None => info!(primary = address, "nothing had to be set aside"),
    }
    Ok(())
}

/// Goes on with what was cut off while it was set aside.
///
/// # Errors
/// If the directory can't be opened, or has no room.
pub(crate) fn finish_going_back(directory: &Path, options: &Options) -> Result<(), Failure> {
    let finished = let_go_of(|| following::finish_rewinding(directory, options));
    let finished = finished.map_err(|error| {
        Failure::unavailable(format!("can't open {}: {error}", directory.display()))
    })?;
    if let Some(place) = finished.set_aside {
        warn!("what the new primary never had is in {place}");
    }
    Ok(())
}

/// Does something with a directory that was just served: readers that were cut off may take a moment to let go of it.
///
/// # Errors
/// Those of the work.
pub(crate) fn let_go_of<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let until = Instant::now() + LET_GO_PATIENCE;
    loop {
        match work() {
            Err(error) if error.is_in_use() && Instant::now() < until => {
                std::thread::sleep(LET_GO_PAUSE);
            }
            done => return done,
        }
    }
}
