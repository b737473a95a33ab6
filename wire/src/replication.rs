//! Bodies of what standbys ask, and of how replication stands.
//!
//! ```text
//! follow_log:          offset  bytes  field
//!                           0     16  incarnation of the standby's database
//!                          16     16  node: names the standby's directory, random
//!                          32      8  end of the standby's log: lsn
//!                          40      8  sequence number of the next frame
//!                          48     32  chain hash there
//!                          80      8  term: it hears no lower one
//!                          88     16  incarnation of the life that the standby is in
//!                         104      2  bytes of the name, at most 64
//!                         106      1  flags: 1 it acknowledges nothing before its state was found the same
//!                         107      5  reserved, zero
//!                         112         name, UTF-8
//!
//! acknowledge_log:          0      8  id of the request that follows
//!                           8      8  lsn: everything before it is durable at the standby
//!                          16      1  flags: 1 it counts for nothing yet but the window, since its state was not
//!                                     found the same
//!                          17      7  reserved, zero
//!
//! replication_status:       0      1  role: 1 primary, 2 standby
//!                           1      1  flags: 1 answers go without standbys that are asked for, or have and
//!                                     they are not there yet, 2 after some time they do, 4 the primary is
//!                                     heard of, 8 following has ended, 16 all that the primary had was here
//!                                     at some time since the standby was started, 32 another term was
//!                                     promised and nothing is told any more
//!                           2      2  standbys that follow, at most 64
//!                           4      4  standbys that must acknowledge
//!                           8      8  lsn: everything before it is durable here
//!                          16      8  lsn: everything before it is told
//!                          24      8  how often answers began to go without standbys
//!                          32      8  milliseconds that answers have waited for standbys
//!                          40      8  milliseconds after which they go without
//!                          48      8  lsn: everything before it is applied        these four are zero
//!                          56      8  lsn: the primary's end, as it said last     of a primary
//!                          64      8  milliseconds since all that it had was here, or since the start
//!                          72      8  lsn: the state was last found the same
//!                          80     16  node; zero as long as it has no part in replication
//!                          96      8  term that the log is of
//!                         104      8  term: no lower one is heard
//!                         112      2  bytes of the primary's address, zero of a primary
//!                         114      2  bytes of why it does not follow, zero of a primary
//!                         116      4  reserved, zero
//!                         120     16  incarnation of the database
//!                         136     16  incarnation of its life
//!                         152         of each standby: node (16), lsn that it acknowledged (8),
//!                                     milliseconds of silence (8), bytes of its name (2), zero (6)
//!                                     then address, reason, and the names, UTF-8
//! ```
//! All little-endian.

use crate::error::{DecodeError, Reason};
use crate::limits::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX, REPLICAS_MAX};
use bytes::{BufMut, Bytes, BytesMut};
use florin_ledger::Lsn;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A standby's wish to follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Follow {
    /// The database that it has.
    pub incarnation: u128,
    /// The life that it is in.
    pub life: u128,
    /// Names its directory.
    pub node: u128,
    /// The end of its log.
    pub lsn: Lsn,
    /// The number of the frame that comes next.
    pub sequence: u64,
    /// The chain hash at its end.
    pub chain: [u8; 32],
    /// It hears no lower term.
    pub promised: u64,
    /// Whether it acknowledges nothing before its state was found the same.
    pub must_compare: bool,
    /// What it calls itself.
    pub name: String,
}

/// What a standby has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledge {
    /// The id of the request that follows.
    pub following: u64,
    /// Everything before it is durable there.
    pub lsn: Lsn,
    /// Whether answers may rest on it. If not, more may be sent all the same.
    pub counts: bool,
}

/// How replication stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicationStatus {
    /// Whom it follows, if it does.
    pub standby: Option<StandbyStatus>,
    /// Names its directory; zero as long as it has no part in replication.
    pub node: u128,
    /// The database, the same in all copies of its log.
    pub incarnation: u128,
    /// Its life: another since it was restored from a backup.
    pub life: u128,
    /// The term that its log is of.
    pub term: u64,
    /// It hears no lower term.
    pub promised: u64,
    /// Whether it was a primary and has promised another term: it tells nothing any more.
    pub is_deposed: bool,
    /// Standbys that must acknowledge.
    pub standbys: u32,
    /// Milliseconds after which answers go without them; `None`: they wait.
    pub degrade_ms: Option<u64>,
    /// Whether answers go without standbys that are asked for.
    pub is_degraded: bool,
    /// How often that began.
    pub degradations: u64,
    /// Milliseconds that answers have waited for standbys.
    pub waiting_ms: u64,
    /// Everything before it is durable here.
    pub synced: Lsn,
    /// Everything before it is told.
    pub released: Lsn,
    /// Who follows.
    pub replicas: Vec<ReplicaStatus>,
}

/// How a standby stands to its primary.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StandbyStatus {
    /// Where its primary is.
    pub primary: String,
    /// Whether it hears of its primary.
    pub is_connected: bool,
    /// Everything before it is applied.
    pub applied: Lsn,
    /// What the primary last said to be durable there; zero before it said anything.
    pub primary_end: Lsn,
    /// Milliseconds since all that the primary had was here; before it ever was, since the start.
    pub lag_ms: u64,
    /// Whether it was, since the start.
    pub was_in_step: bool,
    /// The state was last found the same there.
    pub compared: Lsn,
    /// Why it does not follow; empty if it does.
    pub trouble: String,
    /// Whether following has ended for good.
    pub has_stopped: bool,
}

/// One that follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicaStatus {
    /// Names its directory.
    pub node: u128,
    /// It has everything before it, durably.
    pub acknowledged: Lsn,
    /// Milliseconds since it said so.
    pub silent_ms: u64,
    /// The name of its key, or the one that it gave itself.
    pub name: String,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct FollowLayout {
    incarnation: U128,
    node: U128,
    lsn: U64,
    sequence: U64,
    chain: [u8; 32],
    promised: U64,
    life: U128,
    name_bytes: U16,
    flags: u8,
    reserved: [u8; 5],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct AcknowledgeLayout {
    following: U64,
    lsn: U64,
    flags: u8,
    reserved: [u8; 7],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct StatusLayout {
    role: u8,
    flags: u8,
    replicas: U16,
    standbys: U32,
    synced: U64,
    released: U64,
    degradations: U64,
    waiting_ms: U64,
    degrade_ms: U64,
    applied: U64,
    primary_end: U64,
    lag_ms: U64,
    compared: U64,
    node: U128,
    term: U64,
    promised: U64,
    primary_bytes: U16,
    trouble_bytes: U16,
    reserved: [u8; 4],
    incarnation: U128,
    life: U128,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ReplicaLayout {
    node: U128,
    acknowledged: U64,
    silent_ms: U64,
    name_bytes: U16,
    zero: [u8; 6],
}

const _: () = assert!(size_of::<FollowLayout>() == FOLLOW_BYTES);
const _: () = assert!(size_of::<StatusLayout>() == 152);
const _: () = assert!(size_of::<ReplicaLayout>() == 40);

const FOLLOW_BYTES: usize = 112;
const FOLLOW_MUST_COMPARE: u8 = 1;
const ACKNOWLEDGE_COUNTS_NOT: u8 = 1;
const ROLE_PRIMARY: u8 = 1;
const ROLE_STANDBY: u8 = 2;
const FLAG_DEGRADED: u8 = 1;
const FLAG_DEGRADES: u8 = 2;
const FLAG_CONNECTED: u8 = 4;
const FLAG_STOPPED: u8 = 8;
const FLAG_IN_STEP: u8 = 16;
const FLAG_DEPOSED: u8 = 32;
const FLAGS: u8 =
    FLAG_DEGRADED | FLAG_DEGRADES | FLAG_CONNECTED | FLAG_STOPPED | FLAG_IN_STEP | FLAG_DEPOSED;

impl Follow {
    /// The body of the request. A name that is too long is cut.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let name = cut(&self.name, NAME_BYTES_MAX);
        let layout = FollowLayout {
            incarnation: self.incarnation.into(),
            node: self.node.into(),
            lsn: self.lsn.0.into(),
            sequence: self.sequence.into(),
            chain: self.chain,
            promised: self.promised.into(),
            life: self.life.into(),
            name_bytes: length(name),
            flags: if self.must_compare { FOLLOW_MUST_COMPARE } else { 0 },
            reserved: [0; 5],
        };
        let mut out = BytesMut::new();
        out.put_slice(layout.as_bytes());
        out.put_slice(name.as_bytes());
        out.freeze()
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it is longer or shorter than it says, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<Follow, DecodeError> {
        let Ok((layout, rest)) = FollowLayout::ref_from_prefix(body) else {
            return Err(DecodeError::new(body.len(), Reason::TooShort));
        };
        if layout.flags & !FOLLOW_MUST_COMPARE != 0 {
            return Err(DecodeError::new(106, Reason::Unknown));
        }
        if layout.reserved != [0; 5] {
            return Err(DecodeError::new(107, Reason::NotZero));
        }
        let mut texts = Texts { body: rest, at: 0 };
        let in_body = |error: DecodeError| error.after(FOLLOW_BYTES);
        let name = texts.next(layout.name_bytes, NAME_BYTES_MAX).map_err(in_body)?;
        texts.end().map_err(in_body)?;
        Ok(Follow {
            incarnation: layout.incarnation.get(),
            life: layout.life.get(),
            node: layout.node.get(),
            lsn: Lsn(layout.lsn.get()),
            sequence: layout.sequence.get(),
            chain: layout.chain,
            promised: layout.promised.get(),
            must_compare: layout.flags != 0,
            name,
        })
    }
}

impl Acknowledge {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let layout = AcknowledgeLayout {
            following: self.following.into(),
            lsn: self.lsn.0.into(),
            flags: if self.counts { 0 } else { ACKNOWLEDGE_COUNTS_NOT },
            reserved: [0; 7],
        };
        Bytes::copy_from_slice(layout.as_bytes())
    }

    /// The request of a body.
    ///
    /// # Errors
    /// If it has another length, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<Acknowledge, DecodeError> {
        let Ok((layout, rest)) = AcknowledgeLayout::ref_from_prefix(body) else {
            return Err(DecodeError::new(body.len(), Reason::TooShort));
        };
        if !rest.is_empty() {
            return Err(DecodeError::new(size_of::<AcknowledgeLayout>(), Reason::TooLong));
        }
        if layout.flags & !ACKNOWLEDGE_COUNTS_NOT != 0 {
            return Err(DecodeError::new(16, Reason::Unknown));
        }
        if layout.reserved != [0; 7] {
            return Err(DecodeError::new(17, Reason::NotZero));
        }
        Ok(Acknowledge {
            following: layout.following.get(),
            lsn: Lsn(layout.lsn.get()),
            counts: layout.flags == 0,
        })
    }
}

impl ReplicationStatus {
    /// Appends the answer. Of more standbys than fit, and of texts that are too long, the rest is left out.
    pub fn write(&self, out: &mut BytesMut) {
        let replicas = &self.replicas[..self.replicas.len().min(REPLICAS_MAX)];
        let none = StandbyStatus::default();
        let standby = self.standby.as_ref();
        let it = standby.unwrap_or(&none);
        let primary = cut(&it.primary, MESSAGE_BYTES_MAX);
        let trouble = cut(&it.trouble, MESSAGE_BYTES_MAX);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let layout = StatusLayout {
            role: if standby.is_some() { ROLE_STANDBY } else { ROLE_PRIMARY },
            flags: flag(self.is_degraded, FLAG_DEGRADED)
                | flag(self.degrade_ms.is_some(), FLAG_DEGRADES)
                | flag(it.is_connected, FLAG_CONNECTED)
                | flag(it.has_stopped, FLAG_STOPPED)
                | flag(it.was_in_step, FLAG_IN_STEP)
                | flag(self.is_deposed, FLAG_DEPOSED),
            replicas: u16::try_from(replicas.len()).expect("they are few").into(),
            standbys: self.standbys.into(),
            synced: self.synced.0.into(),
            released: self.released.0.into(),
            degradations: self.degradations.into(),
            waiting_ms: self.waiting_ms.into(),
            degrade_ms: self.degrade_ms.unwrap_or_default().into(),
            applied: it.applied.0.into(),
            primary_end: it.primary_end.0.into(),
            lag_ms: it.lag_ms.into(),
            compared: it.compared.0.into(),
            node: self.node.into(),
            term: self.term.into(),
            promised: self.promised.into(),
            primary_bytes: length(primary),
            trouble_bytes: length(trouble),
            reserved: [0; 4],
            incarnation: self.incarnation.into(),
            life: self.life.into(),
        };
        out.put_slice(layout.as_bytes());
        for replica in replicas {
            let layout = ReplicaLayout {
                node: replica.node.into(),
                acknowledged: replica.acknowledged.0.into(),
                silent_ms: replica.silent_ms.into(),
                name_bytes: length(cut(&replica.name, NAME_BYTES_MAX)),
                zero: [0; 6],
            };
            out.put_slice(layout.as_bytes());
        }
        out.put_slice(primary.as_bytes());
        out.put_slice(trouble.as_bytes());
        for replica in replicas {
            out.put_slice(cut(&replica.name, NAME_BYTES_MAX).as_bytes());
        }
    }

    /// The answer of a body.
    ///
    /// # Errors
    /// If it is longer or shorter than it says, or says what it can't.
    pub fn decode(body: &[u8]) -> Result<ReplicationStatus, DecodeError> {
        let Ok((layout, rest)) = StatusLayout::ref_from_prefix(body) else {
            return Err(DecodeError::new(body.len(), Reason::TooShort));
        };
        let is_standby = match layout.role {
            ROLE_PRIMARY => false,
            ROLE_STANDBY => true,
            _ => return Err(DecodeError::new(0, Reason::Unknown)),
        };
        if layout.flags & !FLAGS != 0 {
            return Err(DecodeError::new(1, Reason::Unknown));
        }
        if layout.reserved != [0; 4] {
            return Err(DecodeError::new(116, Reason::NotZero));
        }
        check_absent(layout, is_standby)?;
        let count = usize::from(layout.replicas.get());
        if REPLICAS_MAX < count {
            return Err(DecodeError::new(2, Reason::TooLong));
        }
        let replicas = <[ReplicaLayout]>::ref_from_prefix_with_elems(rest, count);
        let Ok((replicas, rest)) = replicas else {
            return Err(DecodeError::new(body.len(), Reason::TooShort));
        };
        let head_bytes = body.len() - rest.len();
        let mut texts = Texts { body: rest, at: 0 };
        let in_body = |error: DecodeError| error.after(head_bytes);
        let primary = texts.next(layout.primary_bytes, MESSAGE_BYTES_MAX).map_err(in_body)?;
        let trouble = texts.next(layout.trouble_bytes, MESSAGE_BYTES_MAX).map_err(in_body)?;
        let mut named = Vec::with_capacity(count);
        for replica in replicas {
            if replica.zero != [0; 6] {
                return Err(DecodeError::new(size_of::<StatusLayout>(), Reason::NotZero));
            }
            named.push(ReplicaStatus {
                node: replica.node.get(),
                acknowledged: Lsn(replica.acknowledged.get()),
                silent_ms: replica.silent_ms.get(),
                name: texts.next(replica.name_bytes, NAME_BYTES_MAX).map_err(in_body)?,
            });
        }
        texts.end().map_err(in_body)?;
        let has = |flag: u8| layout.flags & flag != 0;
        let standby = is_standby.then(|| StandbyStatus {
            primary,
            is_connected: has(FLAG_CONNECTED),
            applied: Lsn(layout.applied.get()),
            primary_end: Lsn(layout.primary_end.get()),
            lag_ms: layout.lag_ms.get(),
            was_in_step: has(FLAG_IN_STEP),
            compared: Lsn(layout.compared.get()),
            trouble,
            has_stopped: has(FLAG_STOPPED),
        });
        Ok(ReplicationStatus {
            standby,
            node: layout.node.get(),
            incarnation: layout.incarnation.get(),
            life: layout.life.get(),
            term: layout.term.get(),
            promised: layout.promised.get(),
            is_deposed: has(FLAG_DEPOSED),
            standbys: layout.standbys.get(),
            degrade_ms: has(FLAG_DEGRADES).then(|| layout.degrade_ms.get()),
            is_degraded: has(FLAG_DEGRADED),
            degradations: layout.degradations.get(),
            waiting_ms: layout.waiting_ms.get(),
            synced: Lsn(layout.synced.get()),
            released: Lsn(layout.released.get()),
            replicas: named,
        })
    }
}

/// What says nothing is zero, so that one status has one encoding.
fn check_absent(layout: &StatusLayout, is_standby: bool) -> Result<(), DecodeError> {
    if layout.flags & FLAG_DEGRADES == 0 && layout.degrade_ms != U64::ZERO {
        return Err(DecodeError::new(40, Reason::NotZero));
    }
    let numbers = [layout.applied, layout.primary_end, layout.lag_ms, layout.compared];
    let is_absent = layout.flags & (FLAG_CONNECTED | FLAG_STOPPED | FLAG_IN_STEP) == 0
        && numbers == [U64::ZERO; 4]
        && layout.primary_bytes == U16::ZERO
        && layout.trouble_bytes == U16::ZERO;
    if is_standby || is_absent { Ok(()) } else { Err(DecodeError::new(48, Reason::NotZero)) }
}

/// Texts one after the other.
struct Texts<'a> {
    body: &'a [u8],
    at: usize,
}

impl Texts<'_> {
    fn next(&mut self, bytes: U16, bytes_max: usize) -> Result<String, DecodeError> {
        if bytes_max < usize::from(bytes.get()) {
            return Err(DecodeError::new(self.at, Reason::TooLong));
        }
        let end = self.at + usize::from(bytes.get());
        let text = self.body.get(self.at..end);
        let text = text.ok_or(DecodeError::new(self.body.len(), Reason::TooShort))?;
        let text =
            std::str::from_utf8(text).map_err(|_| DecodeError::new(self.at, Reason::NotUtf8))?;
        self.at = end;
        Ok(text.to_owned())
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.at == self.body.len() {
            return Ok(());
        }
        Err(DecodeError::new(self.at, Reason::TooLong))
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn length(text: &str) -> U16 {
    u16::try_from(text.len()).expect("it was cut").into()
}
