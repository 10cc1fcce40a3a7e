//! What has to change in a Studio for its mappings to be those the table says:
//! wanted × actual → changes. Pure, and the heart of it all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::identity::{Id, Identity, IdentityType};
use crate::policy::Table;
use crate::policy::doubt::{Doubt, Whom};
use crate::policy::fit::{Directory, Reach, Wanted};

/// A mapping that a Studio has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The ARN of its session policy.
    pub session_policy: String,
    /// The name it was made under, where the service gave one.
    pub name: Option<String>,
    /// When it was made, in seconds since 1970, where the service says.
    pub created: Option<i64>,
    /// When it last got another session policy, likewise. Only
    /// GetStudioSessionMapping says so.
    pub modified: Option<i64>,
}

/// The mappings of a Studio, or those of them that a pass looks at.
pub type Mappings = BTreeMap<Identity, Mapping>;

/// What was read of a Studio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actual {
    /// Its mappings, as far as the reach of the pass.
    pub mappings: Mappings,
    /// What of it is not known.
    pub doubts: Vec<Doubt>,
    /// Who of those mapped was looked up, and is in the directory no more.
    pub gone: BTreeSet<Identity>,
}

/// What is done to a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is there and should not be.
    Delete,
    /// It has another session policy than it should.
    Update,
    /// It is not there and should be.
    Create,
}

impl Action {
    /// The name it has in a report.
    pub fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }

    /// The sign it has where people read it.
    pub fn sign(self) -> char {
        match self {
            Action::Create => '+',
            Action::Update => '~',
            Action::Delete => '-',
        }
    }
}

/// One change of one mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// To whose mapping.
    #[serde(flatten, with = "flat_identity")]
    pub identity: Identity,
    /// The session policy it will have; none after a deletion.
    pub session_policy: Option<String>,
    /// The session policy it has; none before a creation.
    pub previous_policy: Option<String>,
    /// The rule that wants it so; none for a deletion, which no rule wants.
    pub rule: Option<usize>,
    /// The group by which the rule fits, for the members of groups.
    pub via_group: Option<Id>,
    /// The identity's name, where it is known. People's names are in no report.
    #[serde(skip)]
    pub name: Option<String>,
}

/// Why a mapping that differs from what the table says is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftAlone {
    /// A rule wants another mapping, but this one's session policy is none of
    /// the table's: it is somebody's own.
    NotOurs,
    /// It is somebody's own, and no rule is about it.
    Unrelated,
    /// The table protects it.
    Protected,
}

/// What has to change in one Studio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StudioPlan {
    /// Index into [`Table::studios`].
    pub studio: usize,
    /// The changes: deletions first, since they make room, then updates, then
    /// creations by rule; each by identity.
    pub changes: Vec<Change>,
    /// How many mappings are as they should be.
    pub unchanged: usize,
    /// What would change, but differs for a reason.
    pub left_alone: Vec<(Identity, LeftAlone)>,
    /// What lacks proof, and is not made: deletions and updates; and creations by
    /// a rule before which another may fit.
    pub withheld: Vec<Change>,
    /// What is not known of this Studio, and of whom.
    pub doubts: Vec<Doubt>,
    /// Which of the doubts each withheld change waits for.
    waits_for: BTreeMap<Identity, Waits>,
    blind: bool,
}

impl StudioPlan {
    /// The plan for a Studio that could not be read: to do nothing.
    pub fn blind(studio: usize, doubt: Doubt) -> StudioPlan {
        StudioPlan {
            studio,
            doubts: vec![doubt],
            blind: true,
            ..StudioPlan::default()
        }
    }

    /// Whether the Studio could not be read, and nothing planned.
    pub fn is_of_nothing_read(&self) -> bool {
        self.blind
    }

    /// Whether nothing at all could be planned, for a reason that passes.
    pub fn is_blind(&self) -> bool {
        self.blind && self.doubts.iter().all(|doubt| doubt.passes)
    }

    /// Whether it takes something away, or changes what someone has.
    pub fn needs_proof(&self) -> bool {
        self.changes
            .iter()
            .any(|change| change.action != Action::Create)
    }

    /// Whether it withholds what it would do to this identity's mapping.
    pub fn withholds(&self, identity: &Identity) -> bool {
        let mut withheld = self.withheld.iter();
        withheld.any(|change| change.identity == *identity)
    }

    /// What the change that it withholds from this identity waits for.
    pub fn doubts_of(&self, identity: &Identity) -> impl Iterator<Item = &Doubt> {
        let waits = self.waits_for.get(identity).into_iter();
        let doubts = waits.flat_map(|waits| waits.own.iter().chain(waits.shared.iter()));
        doubts.filter_map(|index| self.doubts.get(*index))
    }

    /// What all that it withholds waits for.
    pub fn standing(&self) -> BTreeSet<&Doubt> {
        let lists = self.waits_for.values();
        // The same list stands against many: it is looked at once.
        let shared: HashMap<*const usize, &[usize]> = lists
            .clone()
            .map(|waits| (waits.shared.as_ptr(), waits.shared.as_ref()))
            .collect();
        let own = lists.flat_map(|waits| &waits.own);
        let all = own.chain(shared.into_values().flatten());
        all.filter_map(|index| self.doubts.get(*index)).collect()
    }

    /// Whose changes would go on at once if they were known to be gone from the
    /// directory.
    pub fn unless_gone(&self) -> impl Iterator<Item = &Identity> {
        let withheld = self.withheld.iter().map(|change| &change.identity);
        withheld.filter(|identity| {
            self.doubts_of(identity)
                .all(|doubt| matches!(doubt.whom, Whom::Present(_)))
        })
    }

    /// Who of those asked for has to be looked at again, since something was not
    /// known that may be another time.
    pub fn unfinished(&self, asked: &Reach) -> Option<Reach> {
        let mut left = BTreeSet::new();
        for doubt in self.doubts.iter().filter(|doubt| doubt.passes) {
            match &doubt.whom {
                Whom::One(identity) => left.insert(identity.clone()),
                Whom::Any(_) | Whom::Present(_) | Whom::All => return Some(asked.clone()),
            };
        }
        (!left.is_empty()).then_some(Reach::Only(left))
    }

    /// Its changes of one kind.
    pub fn of(&self, action: Action) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(move |change| change.action == action)
    }
}

/// Plans one Studio: what the rules want of the identities within reach,
/// against the mappings they have.
pub fn plan(
    table: &Table,
    studio: usize,
    directory: &Directory,
    reach: &Reach,
    actual: &Actual,
) -> StudioPlan {
    let wanted = table.wanted(studio, directory, reach);
    let mut doubts = table.doubts(studio, directory, reach);
    doubts.extend(actual.doubts.iter().cloned());
    let is_gone = |identity: &Identity| {
        actual.gone.contains(identity) || directory.looked_up(identity) == Some(false)
    };
    let standing = Standing::of(&doubts);
    let actual = &actual.mappings;
    let mut plan = StudioPlan {
        studio,
        ..StudioPlan::default()
    };

    let within = actual.keys().filter(|identity| reach.covers(identity));
    let identities: BTreeSet<&Identity> = wanted.keys().chain(within).collect();
    for identity in identities {
        let (wanted, actual) = (wanted.get(identity), actual.get(identity));
        let Some(mut change) = change(identity, wanted, actual) else {
            plan.unchanged += 1;
            continue;
        };
        let name = actual.and_then(|mapping| mapping.name.clone());
        change.name = name.or_else(|| directory.names.get(identity).cloned());
        let Some(mapping) = actual else {
            let before = doubts.iter().enumerate();
            let before = before.filter(|(_, doubt)| comes_before(table, doubt, &change));
            let before = before.map(|(index, _)| index).collect();
            plan.put(
                change,
                Waits {
                    own: before,
                    ..Waits::default()
                },
            );
            continue;
        };
        if !table.owns(studio, &mapping.session_policy) {
            let reason = match wanted {
                Some(_) => LeftAlone::NotOurs,
                None => LeftAlone::Unrelated,
            };
            plan.left_alone.push((identity.clone(), reason));
        } else if table.protects(identity, mapping.name.as_deref(), directory) {
            plan.left_alone
                .push((identity.clone(), LeftAlone::Protected));
        } else {
            plan.put(change, standing.against(identity, is_gone(identity)));
        }
    }
    plan.changes.sort_by(|a, b| {
        let key = |change: &Change| match change.action {
            Action::Create => (change.action, change.rule),
            Action::Delete | Action::Update => (change.action, None),
        };
        key(a)
            .cmp(&key(b))
            .then_with(|| a.identity.cmp(&b.identity))
    });
    plan.doubts = doubts;
    plan
}

impl StudioPlan {
    /// Adds a change, or withholds it where something stands against it.
    fn put(&mut self, change: Change, waits: Waits) {
        if waits.own.is_empty() && waits.shared.is_empty() {
            self.changes.push(change);
        } else {
            self.waits_for.insert(change.identity.clone(), waits);
            self.withheld.push(change);
        }
    }
}

/// The doubts that a withheld change waits for, as indices: those about just this
/// one, and those about many, of which there is one list for all.
#[derive(Clone, Debug, Default, PartialEq)]
struct Waits {
    own: Vec<usize>,
    shared: Arc<[usize]>,
}

/// The doubts that stand against taking something away, found by whom they are
/// about: many may be withheld for many reasons.
struct Standing<'d> {
    of_one: HashMap<&'d Identity, Vec<usize>>,
    of_many: HashMap<(IdentityType, bool), Arc<[usize]>>,
}

impl<'d> Standing<'d> {
    fn of(doubts: &'d [Doubt]) -> Standing<'d> {
        let mut standing = Standing {
            of_one: HashMap::new(),
            of_many: HashMap::new(),
        };
        let mut many = Vec::new();
        for (index, doubt) in doubts.iter().enumerate() {
            match &doubt.whom {
                Whom::One(identity) => standing.of_one.entry(identity).or_default().push(index),
                _ => many.push((index, doubt)),
            }
        }
        for kind in [IdentityType::User, IdentityType::Group] {
            for is_gone in [false, true] {
                let about = many
                    .iter()
                    .filter(|(_, doubt)| doubt.is_about(kind, is_gone));
                let about = about.map(|(index, _)| *index).collect();
                standing.of_many.insert((kind, is_gone), about);
            }
        }
        standing
    }

    fn against(&self, identity: &Identity, is_gone: bool) -> Waits {
        let shared = self.of_many.get(&(identity.kind, is_gone));
        Waits {
            own: self.of_one.get(identity).cloned().unwrap_or_default(),
            shared: shared.cloned().unwrap_or_default(),
        }
    }
}

/// Whether a doubt is about a rule that may come before the one which a creation
/// goes by, and give another session policy: order decides, in doubt too.
fn comes_before(table: &Table, doubt: &Doubt, creation: &Change) -> bool {
    let Some((earlier, rule)) = doubt.rule.zip(creation.rule) else {
        return false;
    };
    let differs = || Some(&table.rules[earlier].session_policy) != creation.session_policy.as_ref();
    // Who a missing group's members were, nobody knows.
    let may_fit = || match doubt.is_unread() {
        true => doubt.concerns(&creation.identity, false),
        false => table.may_fit(earlier, &creation.identity),
    };
    earlier < rule && differs() && may_fit()
}

/// The one change that leads from the actual mapping to the wanted one. None:
/// they agree.
fn change(
    identity: &Identity,
    wanted: Option<&Wanted>,
    actual: Option<&Mapping>,
) -> Option<Change> {
    let action = match (wanted, actual) {
        (None, None) => return None,
        (Some(wanted), Some(actual)) if wanted.session_policy == actual.session_policy => {
            return None;
        }
        (Some(_), None) => Action::Create,
        (Some(_), Some(_)) => Action::Update,
        (None, Some(_)) => Action::Delete,
    };
    Some(Change {
        action,
        identity: identity.clone(),
        session_policy: wanted.map(|wanted| wanted.session_policy.clone()),
        previous_policy: actual.map(|actual| actual.session_policy.clone()),
        rule: wanted.map(|wanted| wanted.rule),
        via_group: wanted.and_then(|wanted| wanted.via_group.clone()),
        name: None,
    })
}

/// `+ USER 0a1b…  arn:…  (rules[0], through group 1b2c…)`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}  ", self.action.sign(), self.identity)?;
        match (&self.previous_policy, &self.session_policy) {
            (Some(previous), Some(policy)) => write!(f, "{previous} -> {policy}")?,
            (policy, None) | (None, policy) => f.write_str(policy.as_deref().unwrap_or("?"))?,
        }
        match (self.rule, &self.via_group) {
            (None, _) => f.write_str("  (no rule wants it)"),
            (Some(rule), None) => write!(f, "  (rules[{rule}])"),
            (Some(rule), Some(group)) => write!(f, "  (rules[{rule}], through group {group})"),
        }
    }
}

impl fmt::Display for StudioPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        for doubt in &self.doubts {
            writeln!(f, "? {doubt}")?;
        }
        for change in &self.withheld {
            writeln!(f, "? withheld: {change}")?;
        }
        for (identity, reason) in &self.left_alone {
            let reason = match reason {
                LeftAlone::NotOurs => "its session policy is none of the table's",
                LeftAlone::Protected => "protected",
                // Nobody's business but its owner's.
                LeftAlone::Unrelated => continue,
            };
            writeln!(f, "= {identity}  ({reason})")?;
        }
        Ok(())
    }
}

/// `identity_type` and `identity_id`, side by side with a change's other fields.
mod flat_identity {
    use serde::ser::{SerializeMap, Serializer};

    use crate::identity::Identity;

    pub(super) fn serialize<S: Serializer>(
        identity: &Identity,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("identity_type", &identity.kind)?;
        map.serialize_entry("identity_id", &identity.id)?;
        map.end()
    }
}
