//! A server as a node of a group: whether it decides or follows, and how that changes while it runs.
//!
//! - `flags`: what an operator says of it, and how it reaches the others.
//! - `peers`: what the others say.
//! - `feeding`: the standby's end of log shipping, as a task.
//! - `seeding`: what it does before it follows, if it has nothing yet.
//! - `seek`: which primary a standby should follow, and when it has to go back first.
//! - `going_back`: what it does before it follows a primary that never had all that it has.
//! - `election`: what a standby needs before it may decide.
//! - `lease`: who tries to, when nobody does.
//!
//! What makes all of it safe is not here: promises, terms and what may be told are `florin_core::group`'s.

pub(crate) mod election;
pub(crate) mod feeding;
pub(crate) mod flags;
pub(crate) mod going_back;
pub(crate) mod lease;
pub(crate) mod peers;
pub(crate) mod seeding;
pub(crate) mod seek;
