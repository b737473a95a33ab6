//! What a database has to do with its group: promises, and how the group changes.

use super::{Group, NodeStanding, Promised, Term};
use crate::commits::WriteBatch;
use crate::database::Database;
use crate::driver::inbox::Rest;
use crate::driver::promise::stopped;
use crate::error::{Error, ErrorKind};
use crate::request::{Reply, Request};
use crate::shipping::Synchrony;
use florin_ledger::document::{DocumentCondition, WriteResult};
use florin_ledger::record::LifeRecord;
use florin_ledger::{Document, DocumentKey, DocumentWrite, Position};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

impl Database {
    /// How this node stands to those that may decide. Waits for nothing.
    #[must_use]
    pub fn node(&self) -> NodeStanding {
        self.allegiance().standing()
    }

    /// Names the database: that of all copies of its log.
    ///
    /// # Errors
    /// [`ErrorKind::Stopped`].
    pub fn incarnation(&self) -> Result<u128, Error> {
        Ok(self.reads()?.log().identity().incarnation)
    }

    /// Names the life that the database is in: another than it was born to if it was restored. Waits for nothing.
    #[must_use]
    pub fn life(&self) -> u128 {
        self.watch().metrics.engine.life()
    }

    /// Names the directory; one that has no name gets one, durably.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`], [`ErrorKind::Io`].
    pub fn node_id(&self) -> Result<u128, Error> {
        self.allegiance().node()
    }

    /// Promises, durably, to hear no lower term than this from now on. One that decides tells nobody anything more
    /// from then on, and takes no writes. `candidate` wants to decide in it, if anybody is known to.
    ///
    /// # Errors
    /// [`ErrorKind::DiskFull`], [`ErrorKind::Io`]: then nothing is promised; one that decides tells nobody anything
    /// more all the same.
    pub fn promise(&self, term: Term, candidate: Option<u128>) -> Result<Promised, Error> {
        let promised = self.allegiance().promise(term, candidate, &self.release())?;
        if promised.is_granted && !self.is_standby() {
            // What it would decide nobody would hear of.
            self.rest(|| {});
        }
        Ok(promised)
    }

    /// Hears the node of a group that has more than this one, though this one has promised a later term, to itself:
    /// until the next promise.
    pub fn fetch_from(&self, term: Term) {
        self.allegiance().fetch_from(term);
    }

    /// Calls `deposed` once this database, which decides, has promised another term or learned of one: it should be
    /// closed, and follow. On the thread that brings it.
    pub fn on_deposed(&self, deposed: impl FnOnce() + Send + 'static) {
        self.allegiance().on_deposed(deposed);
    }

    /// Tells nothing new from now on but before a moment, in nanoseconds of a clock; and nothing without standbys that
    /// are asked for before [`Database::allow_alone`] says that this is on record. Whoever moves the moment calls
    /// [`Database::look_again`].
    pub fn hold_lease(&self, until: Arc<AtomicU64>, clock: fn() -> Duration) {
        self.release().hold_lease(until, clock);
    }

    /// Tells what may be told by now.
    pub fn look_again(&self) {
        self.release().look_again();
    }

    /// Whether answers would go without standbys, if it were on record.
    #[must_use]
    pub fn wants_alone(&self) -> bool {
        self.release().wants_alone()
    }

    /// It is on record that answers go without standbys; or it will not be any more. `false` if they go so now, or
    /// standbys have not all that was told so: then it must stay on record.
    #[must_use]
    pub fn allow_alone(&self, may: bool) -> bool {
        self.release().allow_alone(may)
    }

    /// Decides nothing for a while, so that another node can: returns when that has everything. If no later term was
    /// promised after `patience`, this one goes on by itself. What it refuses meanwhile is refused as busy.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if that node does not follow; [`ErrorKind::NotYet`] if it has not everything in time:
    /// then this one goes on at once; [`ErrorKind::Stopped`].
    pub fn hand_over(&self, node: u128, patience: Duration) -> Result<(), Error> {
        let release = self.release();
        if release.is_standby() {
            return Err(Error::new(
                ErrorKind::Standby,
                "this is a standby and has nothing to hand over",
            ));
        }
        if !release.standing().replicas.iter().any(|replica| replica.node == node) {
            let message = format!("node {node:032x} does not follow this one");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let allegiance = self.allegiance();
        let Some(_changing) = allegiance.begin_change() else {
            return Err(Error::new(ErrorKind::Busy, "the group is being changed: wait for that"));
        };
        let (sender, rested) = mpsc::sync_channel(1);
        let clock = &self.watch().clock;
        let until = clock.elapsed().saturating_add(patience);
        self.begin_rest(Rest::Until(until), move |rested| drop(sender.send(rested)));
        match rested.recv_timeout(patience) {
            Ok(rested) => _ = rested?,
            Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            // Too few standbys have what came before.
            Err(RecvTimeoutError::Timeout) => {}
        }
        if release.await_all_at(node, until.saturating_sub(clock.elapsed())) {
            return Ok(());
        }
        self.begin_rest(Rest::Until(Duration::ZERO), drop);
        let message =
            format!("node {node:032x} had not everything within {patience:?}: this one goes on");
        Err(Error::new(ErrorKind::NotYet, message))
    }

    /// The group, as this copy of the log has it; `None` if there is none. Of a database that leads it is in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if the document is none; as any read.
    pub fn group(&self) -> Result<Option<Group>, Error> {
        if let Some(known) = self.allegiance().known_group() {
            return Ok(known);
        }
        Ok(self.groups(Position::NONE, 1)?.pop().map(|(_, group)| group))
    }

    /// Changes the group; returns when nodes of the old one and of the new have the change. From when it begins both
    /// are waited for; of the first group all nodes. By force nobody of the old one is asked, and that is on record.
    /// Term and primary are this database's own, whatever is given, and it is the node of number 0: one that was never
    /// in a group has no other yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for what can be no group, or one without this node; [`ErrorKind::Busy`] if it is being
    /// changed; as any write.
    pub fn change_group(&self, asked: &Group) -> Result<(), Error> {
        let allegiance = self.allegiance();
        let node = allegiance.node()?;
        let mut asked = asked.clone();
        for it in asked.nodes.iter_mut().filter(|it| it.node == 0) {
            it.node = node;
        }
        asked.check()?;
        if asked.node(node).is_none() {
            let message = format!("the node that decides, {node:032x}, must be one of its group");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let Some(_changing) = allegiance.begin_change() else {
            return Err(Error::new(ErrorKind::Busy, "the group is being changed: wait for that"));
        };
        let known = if asked.is_forced { None } else { self.groups(Position::NONE, 1)?.pop() };
        let (term, was_forced) = allegiance.reign();
        let asks_nobody = asked.is_forced;
        let is_forced = asks_nobody || was_forced;
        let group = Group { term, primary: node, is_forced, is_settled: false, ..asked };
        let release = self.release();
        if asks_nobody {
            release.demand_alone(group.synchrony());
            return self.write_group(&group, DocumentCondition::Any).map(|_| ());
        }
        // A node that has not the first group yet would ask nobody.
        let all = known.is_none().then(|| group.synchrony_of_all());
        let before = release.demand_too(group.synchrony(), all);
        let version = known.map_or(Position::NONE, |(version, _)| version);
        let version = match self.write_group(&group, after(version)) {
            Ok(version) => version,
            // Nodes may have it all the same.
            Err(error) if error.kind() == ErrorKind::Stopped => return Err(error),
            Err(error) => {
                release.demand_alone(before);
                return Err(error);
            }
        };
        release.demand_alone(group.synchrony());
        self.settle_group(group, version);
        Ok(())
    }

    fn write_group(&self, group: &Group, condition: DocumentCondition) -> Result<Position, Error> {
        match self.write_documents(&[write(group, condition)])?[..] {
            [WriteResult::Written(version)] => {
                self.allegiance().know_group(Some(group.clone()));
                Ok(version)
            }
            _ => Err(Error::new(
                ErrorKind::Busy,
                "the group was changed meanwhile: look at it, then ask again",
            )),
        }
    }

    /// Nodes of every group before have this one, of this version: says so, for openings and candidates to come, if it
    /// was not changed since. Nobody waits for it; without it they ask the groups before, too.
    fn settle_group(&self, group: Group, version: Position) {
        let settled = write(&Group { is_settled: true, ..group }, after(version));
        match WriteBatch::new(&[settled]) {
            Ok(batch) => self.submit(Request::WriteDocuments(batch), drop),
            Err(error) => unreachable!("a group fits a document: {error}"),
        }
    }

    /// The groups that may ask for something: the newest first, and before it all down to one that nodes of every group
    /// before have. If that is the first of all, nodes may know of none yet, and all of its must be asked.
    ///
    /// # Errors
    /// As [`Database::group`].
    pub fn groups_that_count(&self) -> Result<Vec<CountedGroup>, Error> {
        let mut counted: Vec<CountedGroup> = Vec::new();
        let mut before = Position::NONE;
        loop {
            let versions = self.groups(before, GROUPS_AT_ONCE)?;
            let Some((oldest, _)) = versions.last() else { break };
            before = *oldest;
            for (_, group) in versions {
                let is_settled = group.is_settled;
                if counted.iter().all(|it| !it.group.asks_as(&group)) {
                    counted.push(CountedGroup { group, asks_all: false });
                }
                if is_settled {
                    return Ok(counted);
                }
            }
        }
        if let Some(first) = counted.last_mut() {
            first.asks_all = true;
        }
        Ok(counted)
    }

    /// Asks for the standbys that the group says, or without one for those of `synchrony`; and has the group say
    /// who decides now. To be called once before anybody is served: nothing is told until they have what is here
    /// already, nor before nodes of every group that may not know of the last one have that.
    ///
    /// # Errors
    /// As reading the group.
    pub fn lead(&self, synchrony: Synchrony) -> Result<(), Error> {
        let mut counted = self.groups_that_count()?.into_iter();
        let allegiance = self.allegiance();
        let Some(CountedGroup { group, asks_all }) = counted.next() else {
            allegiance.know_group(None);
            self.demand_standbys(synchrony);
            return Ok(());
        };
        let node = allegiance.node()?;
        let mut before: Vec<Synchrony> = counted.map(|it| it.asked_by(node).waited_for()).collect();
        if asks_all {
            let all = CountedGroup { group: group.clone(), asks_all };
            before.push(all.asked_by(node).waited_for());
        }
        let asked = CountedGroup { group: group.clone(), asks_all: false }.asked_by(node);
        self.release().demand(asked, before);
        let (term, is_forced) = allegiance.reign();
        let is_news = group.term != term || !group.is_settled;
        let is_forced = is_forced || (group.term == term && group.is_forced);
        let group = Group { term, primary: node, is_forced, is_settled: false, ..group };
        allegiance.know_group(Some(group.clone()));
        if is_news {
            // Nobody waits for it. When it is told, all that was here was told before, to all groups.
            let request = WriteBatch::new(&[write(&group, DocumentCondition::Any)])?;
            let database = Arc::downgrade(&self.shared);
            self.submit(Request::WriteDocuments(request), move |written| {
                let Ok(Reply::Written(results)) = written else { return };
                if let ([WriteResult::Written(version)], Some(shared)) =
                    (&results[..], database.upgrade())
                {
                    Database { shared }.settle_group(group, *version);
                }
            });
        }
        Ok(())
    }

    /// The newest versions of the group, of the life that the database is in: what was restored is of no group.
    fn groups(&self, before: Position, count: u32) -> Result<Vec<(Position, Group)>, Error> {
        let life = LifeRecord::number_of(self.metrics().engine.epoch);
        let versions = self.document_history(&Group::key(), before, count)?;
        let of_this_life =
            |document: &Document| LifeRecord::number_of(document.version.epoch) == life;
        let groups = versions.into_iter().filter(of_this_life).filter_map(|document| {
            let value = document.value?;
            Some(Group::from_bytes(&value).map(|group| (document.version, group)))
        });
        groups.collect()
    }
}

/// A group that may still be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountedGroup {
    /// The group.
    pub group: Group,
    /// Whether all its nodes must be asked: some may not know of any group.
    pub asks_all: bool,
}

impl CountedGroup {
    /// What a primary, this node, asks of others. One that is not of the group has nothing that counts itself.
    fn asked_by(&self, node: u128) -> Synchrony {
        let mut synchrony =
            if self.asks_all { self.group.synchrony_of_all() } else { self.group.synchrony() };
        if self.group.node(node).is_none() {
            synchrony.standbys += 1;
        }
        synchrony
    }
}

/// Versions of the group that are read at once.
const GROUPS_AT_ONCE: u32 = 32;

/// On that it is as it was read.
fn after(version: Position) -> DocumentCondition {
    if version == Position::NONE {
        DocumentCondition::Absent
    } else {
        DocumentCondition::Version(version)
    }
}

fn write(group: &Group, condition: DocumentCondition) -> DocumentWrite {
    let DocumentKey { table, key } = Group::key();
    DocumentWrite {
        table,
        key,
        value: Some(group.to_bytes()),
        condition,
        ..DocumentWrite::default()
    }
}
