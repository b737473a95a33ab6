//! Prevents: a caller who is told to mend a request that was right, while an index of ours is wrong.

use crate::error::{Error, ErrorKind};
use crate::log::ReadError;
use florin_ledger::Lsn;

#[test]
fn a_position_without_a_record_is_our_fault_unless_the_caller_gave_it() {
    let unreadable: [fn() -> ReadError; 2] = [
        || ReadError::NoRecord { lsn: Lsn(7) },
        || ReadError::Beyond { lsn: Lsn(9), durable: Lsn(8) },
    ];
    for error in unreadable {
        let ours = Error::from(error());
        assert_eq!(ours.kind(), ErrorKind::Corrupt);
        assert!(ours.to_string().contains("florin rebuild"), "{ours}");
        let theirs = error().of_caller();
        assert_eq!(theirs.kind(), ErrorKind::Invalid);
        assert_eq!(theirs.to_string(), error().to_string());
    }
}
