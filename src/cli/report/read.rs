//! Reading what the report is made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::Utc;
use futures_util::future::{join, join_all};

use super::rows::{self, People};
use super::{NotMapped, Report, Rule, Studio, say};
use crate::aws::CallError;
use crate::cli::connection::{Connected, no_deadline};
use crate::cli::progress::watched;
use crate::identity::{Id, Identity, IdentityType};
use crate::policy::fit::Answer;
use crate::sync::Survey;

impl Connected {
    /// Reads everything. What cannot be read is told, not left out in silence.
    pub(super) async fn report(&self, only: Option<usize>, table: String) -> Report {
        let reading = self.engine.access(only, no_deadline());
        let mut survey = watched(&self.engine, "reading mappings", reading).await;
        let asking = self.people(&survey);
        let (people, problems) = watched(&self.engine, "reading who is mapped", asking).await;
        survey.problems.extend(problems);
        let gone = people.gone();
        let forecast = self.engine.forecast(&mut survey, &gone, no_deadline());
        let forecast = forecast.await;
        let (now, table_of_rules) = (Utc::now(), self.engine.table());
        let rows = rows::rows(
            &survey,
            &forecast,
            &people,
            table_of_rules,
            &self.words,
            now,
        );
        let mut mapped: HashMap<(usize, IdentityType), usize> = HashMap::new();
        for row in &survey.rows {
            *mapped.entry((row.studio, row.identity.kind)).or_default() += 1;
        }
        let count = |studio, kind| mapped.get(&(studio, kind)).copied().unwrap_or_default();
        let not_mapped = |studio| forecast.fates.get(&studio).map(NotMapped::of);
        let of_interest = |studio: usize| only.is_none_or(|only| only == studio);
        let all = self.engine.table().studios.iter().enumerate();
        let studios = all.filter(|(index, _)| of_interest(*index));
        let rules = self.engine.table().rules.iter().enumerate();
        let rules = rules.filter(|(_, rule)| of_interest(rule.studio));
        let open = survey.open.iter();
        let open = open.filter_map(|(studio, is_open)| self.engine.told_open(*studio, *is_open));
        Report {
            generated_at: now,
            place: self.place.clone(),
            identity_store_id: self.engine.store_id().to_owned(),
            table,
            studios: studios
                .map(|(index, studio)| Studio {
                    alias: studio.alias.clone(),
                    id: studio.id.clone(),
                    read: !survey.unread.contains(&index),
                    users: count(index, IdentityType::User),
                    groups: count(index, IdentityType::Group),
                    open: survey.open.get(&index).copied().flatten(),
                    not_mapped: not_mapped(index),
                })
                .collect(),
            rules: rules
                .map(|(index, rule)| Rule {
                    index,
                    whom: say::whom(rule),
                    studio: self.engine.table().studios[rule.studio].alias.clone(),
                    session_policy: self.words.alias(&rule.session_policy).to_owned(),
                })
                .collect(),
            rows,
            problems: survey.problems,
            open: open.collect(),
            missing: survey.missing,
            waits: forecast.waits,
        }
    }

    /// The groups that are mapped or bring somebody in, the members of those
    /// that are mapped, and everybody who is mapped by one way or the other.
    async fn people(&self, survey: &Survey) -> (People, Vec<String>) {
        let store = self.engine.store();
        let mapped = |kind| {
            let mapped = survey.rows.iter().map(|row| &row.identity);
            let mapped = mapped.filter(move |identity| identity.kind == kind);
            mapped.map(|identity| identity.id.clone())
        };
        let mapped_groups: BTreeSet<Id> = mapped(IdentityType::Group).collect();
        let via = survey.rows.iter().filter_map(|row| row.via_group.clone());
        let groups: BTreeSet<Id> = via.chain(mapped_groups.iter().cloned()).collect();
        let described = store.groups(&groups, no_deadline());
        let members = mapped_groups
            .iter()
            .map(async |group| match survey.members(group) {
                Some(members) => Ok(Answer::Is(members.clone())),
                None => store.members(group, no_deadline()).await,
            });
        let (described, members) = join(described, join_all(members)).await;

        let mut problems = Vec::new();
        let name = |group: &Id| Identity::group(group.clone()).to_string();
        let groups = answers(&groups, described, "the name of", name, &mut problems);
        let members = answers(
            &mapped_groups,
            members,
            "the members of",
            name,
            &mut problems,
        );
        let in_groups = members.values().filter_map(Answer::known).flatten();
        let users: BTreeSet<Id> = mapped(IdentityType::User)
            .chain(in_groups.cloned())
            .collect();
        let asked = store.users(&users, no_deadline()).await;
        let name = |user: &Id| Identity::user(user.clone()).to_string();
        let users = answers(&users, asked, "the name and status of", name, &mut problems);
        let people = People {
            users,
            groups,
            members,
        };
        (people, problems)
    }
}

/// Puts answers beside those they are about. Where many cannot be read for one
/// reason, one problem says so.
fn answers<T>(
    ids: &BTreeSet<Id>,
    answers: Vec<Result<Answer<T>, CallError>>,
    what: &str,
    name: impl Fn(&Id) -> String,
    problems: &mut Vec<String>,
) -> BTreeMap<Id, Answer<T>> {
    // The texts differ, since they quote what was asked about; the kinds don't.
    let mut unread: Vec<(CallError, Vec<&Id>)> = Vec::new();
    let mut known = BTreeMap::new();
    for (id, answer) in ids.iter().zip(answers) {
        let answer = answer.unwrap_or_else(|error| {
            let passes = error.is_transient();
            let same = unread.iter_mut().find(|(one, _)| one.kind == error.kind);
            match same {
                Some((_, ids)) => ids.push(id),
                None => unread.push((error, vec![id])),
            }
            Answer::Unread { passes }
        });
        known.insert(id.clone(), answer);
    }
    for (error, ids) in unread {
        let more = match ids.len() {
            0 | 1 => String::new(),
            all => format!(" and {} more", all - 1),
        };
        let first = ids.first().map(|id| name(id)).unwrap_or_default();
        problems.push(format!("{what} {first}{more} could not be read: {error}"));
    }
    known
}
