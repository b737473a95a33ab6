//! What nodes of a group ask each other, and who runs them of it: promises, positions, the group itself, and that
//! another decides. On threads of its own: some of it waits for standbys.

use bytes::{Bytes, BytesMut};
use florin_core::group::{Group, Promised, Term};
use florin_core::log::FramePosition;
use florin_core::{Database, Error, ErrorKind};
use florin_wire::group::{self, HandOver, HasPosition, Promise};
use std::time::Duration;

/// For how long a primary may be asked to decide nothing.
const HAND_OVER_MS_MAX: u32 = 60_000;

/// A question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupQuestion {
    /// That no lower term is heard any more.
    Promise(Promise),
    /// Whether the log has a position.
    HasPosition(HasPosition),
    /// The group.
    Read,
    /// That it becomes another: as it is stored.
    Change(Bytes),
    /// That another node decides.
    HandOver(HandOver),
    /// That this one decides, by force or not.
    Promote(bool),
}

/// Asks a database; gives the body of the answer. Blocks.
pub(crate) fn ask(database: &Database, question: &GroupQuestion) -> Result<Bytes, Error> {
    match question {
        GroupQuestion::Promise(promise) => {
            check_database(database, promise)?;
            Ok(promised(&database.promise(Term(promise.term), Some(promise.candidate))?))
        }
        GroupQuestion::HasPosition(asked) => {
            let HasPosition { incarnation, lsn, sequence, chain } = *asked;
            let position = FramePosition { lsn, sequence, chain };
            Ok(group::truth_to_bytes(database.has_position(incarnation, position)?))
        }
        GroupQuestion::Read => {
            let group = database.group()?;
            Ok(group.map_or_else(Bytes::new, |group| Bytes::from(group.to_bytes())))
        }
        GroupQuestion::Change(bytes) => {
            let invalid = |error: Error| Error::new(ErrorKind::Invalid, error.to_string());
            database.change_group(&Group::from_bytes(bytes).map_err(invalid)?)?;
            Ok(Bytes::new())
        }
        GroupQuestion::HandOver(asked) => {
            let patience_ms = asked.patience_ms.min(HAND_OVER_MS_MAX);
            database.hand_over(asked.node, Duration::from_millis(u64::from(patience_ms)))?;
            Ok(Bytes::new())
        }
        GroupQuestion::Promote(is_forced) => {
            let term = database.ask_for_promotion(*is_forced)?;
            Ok(group::term_to_bytes(term.0))
        }
    }
}

/// A promise to another bank's node would end this one's primary; so would one to a node of a bank that was restored
/// from a backup of this one.
fn check_database(database: &Database, promise: &Promise) -> Result<(), Error> {
    let own = (database.incarnation()?, database.life());
    let asked = (promise.incarnation, promise.life);
    if own == asked {
        return Ok(());
    }
    let message = format!(
        "this is database {:032x} in its life {:032x}, and the promise is asked for {:032x} in {:032x}",
        own.0, own.1, asked.0, asked.1
    );
    Err(Error::new(ErrorKind::Fork, message))
}

fn promised(promised: &Promised) -> Bytes {
    let Promised { is_granted, promised, term, end, node } = *promised;
    let (promised, term) = (promised.0, term.0);
    let mut body = BytesMut::new();
    group::Promised { is_granted, promised, term, end, node }.write(&mut body);
    body.freeze()
}
