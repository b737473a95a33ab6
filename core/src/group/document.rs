//! The group, as the ledger has it: one document, so that every copy has it, and every copy the same.
//!
//! ```text
//! offset  bytes  field
//!      0      4  version, 1
//!      4      4  acknowledgements: nodes, beside the one that decides, that have what is told
//!      8      8  milliseconds without them after which it is told all the same; 0: it never is
//!     16      8  term of the primary that wrote this
//!     24     16  node of that primary
//!     40      1  flags: 1 it was promoted, or the group changed, although something that was told may be lost;
//!                2 nodes of every group before have this
//!     41      3  zero
//!     44      4  nodes, at most 16
//!     48         of each: node (16), bytes of its name (2), bytes of its address (2), zero (4)
//!                then names and addresses in order, UTF-8
//! ```
//! All little-endian. Its key in [`TableId::GROUP`] is `group`.

use super::Term;
use crate::error::{Error, ErrorKind};
use crate::following::mark::ADDRESS_BYTES_MAX;
use crate::shipping::{Missing, Synchrony};
use florin_ledger::{DocumentKey, TableId};
use std::collections::BTreeSet;
use std::time::Duration;
use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const VERSION: u32 = 1;
const FLAG_FORCED: u8 = 1;
const FLAG_SETTLED: u8 = 2;
/// Nodes of a group at most.
const NODES_MAX: usize = 16;
/// Bytes of a node's name at most: those of a key's.
const NAME_BYTES_MAX: usize = 64;

/// The nodes that hold a copy of the log, and how many must have what is told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Group {
    /// Nodes, beside the one that decides, that have what is told; fewer than there are nodes.
    pub acknowledgements: u32,
    /// What happens while there are fewer.
    pub missing: Missing,
    /// Of the primary that wrote this.
    pub term: Term,
    /// That primary.
    pub primary: u128,
    /// Whether it was promoted, or the group changed, although something that was told may be lost.
    pub is_forced: bool,
    /// Whether nodes of every group before have this: no candidate asks one of those any more.
    pub is_settled: bool,
    /// All of them, whoever decides included.
    pub nodes: Vec<GroupNode>,
}

/// A node of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupNode {
    /// Names its directory.
    pub node: u128,
    /// What people call it.
    pub name: String,
    /// Where the others reach it.
    pub address: String,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct HeadLayout {
    version: U32,
    acknowledgements: U32,
    degrade_ms: U64,
    term: U64,
    primary: U128,
    flags: u8,
    zero: [u8; 3],
    nodes: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct NodeLayout {
    node: U128,
    name_bytes: U16,
    address_bytes: U16,
    zero: [u8; 4],
}

const _: () = assert!(size_of::<HeadLayout>() == 48);
const _: () = assert!(size_of::<NodeLayout>() == 24);

impl Group {
    /// Where the ledger has it.
    #[must_use]
    pub fn key() -> DocumentKey {
        DocumentKey { table: TableId::GROUP, key: b"group".to_vec() }
    }

    /// What is asked of standbys.
    #[must_use]
    pub fn synchrony(&self) -> Synchrony {
        Synchrony {
            standbys: self.acknowledgements,
            missing: self.missing,
            nodes: Some(self.nodes.iter().map(|node| node.node).collect()),
        }
    }

    /// That all of them have it, whatever the group asks.
    #[must_use]
    pub fn synchrony_of_all(&self) -> Synchrony {
        let others = self.nodes.len().saturating_sub(1);
        let standbys = u32::try_from(others).expect("a group is small");
        Synchrony { standbys, missing: Missing::Wait, ..self.synchrony() }
    }

    /// Nodes whose promises whoever is promoted needs, itself counted: one of so many has whatever was told.
    #[must_use]
    pub fn promises_needed(&self) -> usize {
        let acknowledgements = usize::try_from(self.acknowledgements).unwrap_or(usize::MAX);
        self.nodes.len().saturating_sub(acknowledgements)
    }

    /// Whether it asks for the same as another.
    #[must_use]
    pub fn asks_as(&self, other: &Group) -> bool {
        (self.acknowledgements, self.missing, &self.nodes)
            == (other.acknowledgements, other.missing, &other.nodes)
    }

    /// A node of it.
    #[must_use]
    pub fn node(&self, node: u128) -> Option<&GroupNode> {
        self.nodes.iter().find(|it| it.node == node)
    }

    /// Whether it can be one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: it says why not.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        let count = self.nodes.len();
        if count == 0 || NODES_MAX < count {
            return invalid(format!("a group has 1 to {NODES_MAX} nodes, not {count}"));
        }
        if self.promises_needed() == 0 {
            let asked = self.acknowledgements;
            return invalid(format!(
                "{asked} nodes beside the primary must have what is told, and there are {} of them",
                count - 1
            ));
        }
        for node in &self.nodes {
            if node.name.is_empty() || NAME_BYTES_MAX < node.name.len() {
                return invalid(format!(
                    "a node's name has 1 to {NAME_BYTES_MAX} bytes: {:?}",
                    node.name
                ));
            }
            if node.address.is_empty() || ADDRESS_BYTES_MAX < node.address.len() {
                return invalid(format!(
                    "an address has 1 to {ADDRESS_BYTES_MAX} bytes: {:?}",
                    node.address
                ));
            }
        }
        let distinct = |what: &str, names: BTreeSet<String>| {
            if names.len() == count {
                return Ok(());
            }
            invalid(format!("two nodes of the group have the same {what}"))
        };
        distinct("name", self.nodes.iter().map(|it| it.name.clone()).collect())?;
        distinct("address", self.nodes.iter().map(|it| it.address.clone()).collect())?;
        let marks = self.nodes.iter().map(|it| Term::mark_of(it.node).to_string()).collect();
        distinct("number in the lowest 16 bits of their ids: begin one of them anew", marks)
    }

    /// As it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let degrade_ms = match self.missing {
            Missing::Wait => 0,
            Missing::Degrade(patience) => {
                u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1)
            }
        };
        let head = HeadLayout {
            version: VERSION.into(),
            acknowledgements: self.acknowledgements.into(),
            degrade_ms: degrade_ms.into(),
            term: self.term.0.into(),
            primary: self.primary.into(),
            flags: if self.is_forced { FLAG_FORCED } else { 0 }
                | if self.is_settled { FLAG_SETTLED } else { 0 },
            zero: [0; 3],
            nodes: u32::try_from(self.nodes.len()).expect("a group is small").into(),
        };
        let mut bytes = head.as_bytes().to_vec();
        let short = |text: &str| U16::new(u16::try_from(text.len()).expect("it was checked"));
        for node in &self.nodes {
            let layout = NodeLayout {
                node: node.node.into(),
                name_bytes: short(&node.name),
                address_bytes: short(&node.address),
                zero: [0; 4],
            };
            bytes.extend_from_slice(layout.as_bytes());
        }
        for node in &self.nodes {
            bytes.extend_from_slice(node.name.as_bytes());
            bytes.extend_from_slice(node.address.as_bytes());
        }
        bytes
    }

    /// The group of a stored document.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if it is none; [`ErrorKind::Unusable`] of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Group, Error> {
        let malformed = || Error::corrupt("the document of the group is none");
        let (head, rest) = HeadLayout::ref_from_prefix(bytes).map_err(|_| malformed())?;
        if head.version.get() != VERSION {
            let message =
                format!("the group has version {}, this program reads {VERSION}", head.version);
            return Err(Error::new(ErrorKind::Unusable, message));
        }
        let count = usize::try_from(head.nodes.get()).unwrap_or(usize::MAX);
        if NODES_MAX < count
            || head.flags & !(FLAG_FORCED | FLAG_SETTLED) != 0
            || head.zero != [0; 3]
        {
            return Err(malformed());
        }
        let (layouts, mut texts) =
            <[NodeLayout]>::ref_from_prefix_with_elems(rest, count).map_err(|_| malformed())?;
        let mut text = |bytes: U16| {
            let (text, left) =
                texts.split_at_checked(usize::from(bytes.get())).ok_or_else(malformed)?;
            texts = left;
            String::from_utf8(text.to_vec()).map_err(|_| malformed())
        };
        let mut nodes = Vec::with_capacity(count);
        for layout in layouts {
            let (name, address) = (text(layout.name_bytes)?, text(layout.address_bytes)?);
            nodes.push(GroupNode { node: layout.node.get(), name, address });
        }
        let group = Group {
            acknowledgements: head.acknowledgements.get(),
            missing: match head.degrade_ms.get() {
                0 => Missing::Wait,
                ms => Missing::Degrade(Duration::from_millis(ms)),
            },
            term: Term(head.term.get()),
            primary: head.primary.get(),
            is_forced: head.flags & FLAG_FORCED != 0,
            is_settled: head.flags & FLAG_SETTLED != 0,
            nodes,
        };
        if !texts.is_empty() || group.check().is_err() {
            return Err(malformed());
        }
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        let node = |node: u128, name: &str| GroupNode {
            node,
            name: name.to_owned(),
            address: format!("{name}.bank.example:3000"),
        };
        Group {
            acknowledgements: 1,
            missing: Missing::Degrade(Duration::from_secs(5)),
            term: Term(0x1_0002),
            primary: 2,
            is_forced: true,
            is_settled: true,
            nodes: vec![node(1, "north"), node(2, "south"), node(3, "west")],
        }
    }

    /// Prevents: a group that a copy can't read, or reads as another.
    #[test]
    fn what_is_written_is_read_and_damage_is_not() {
        let bytes = group().to_bytes();
        assert_eq!(Group::from_bytes(&bytes), Ok(group()));
        for cut in 0..bytes.len() {
            assert!(Group::from_bytes(&bytes[..cut]).is_err(), "cut to {cut}");
        }
        assert!(Group::from_bytes(&[&bytes[..], b"x"].concat()).is_err());
    }

    /// Prevents: a group whose nodes can't promise what they must, or are mistaken for one another.
    #[test]
    fn what_can_be_no_group_is_refused() {
        let refused = |change: fn(&mut Group), says: &str| {
            let mut group = group();
            change(&mut group);
            let error = group.check().unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        };
        refused(|group| group.nodes.clear(), "1 to 16 nodes");
        refused(|group| group.acknowledgements = 3, "there are 2 of them");
        refused(|group| group.nodes[1].name = String::from("north"), "same name");
        refused(|group| group.nodes[1].address = group.nodes[0].address.clone(), "same address");
        refused(|group| group.nodes[1].node = 0x1_0001, "lowest 16 bits");
        refused(|group| group.nodes[1].name.clear(), "1 to 64 bytes");
        assert_eq!(group().check(), Ok(()));
    }

    /// Of so many nodes that promise, one has whatever was told.
    #[test]
    fn promises_and_acknowledgements_meet() {
        for (nodes, acknowledgements, needed) in
            [(2, 1, 1), (3, 1, 2), (3, 2, 1), (5, 2, 3), (3, 0, 3)]
        {
            let mut group = Group { acknowledgements, ..group() };
            group.nodes = (0..nodes)
                .map(|node| GroupNode { node, name: node.to_string(), address: node.to_string() })
                .collect();
            assert_eq!(group.promises_needed(), needed);
            let holders = usize::try_from(acknowledgements).unwrap() + 1;
            assert!(group.nodes.len() < holders + needed);
        }
    }
}
