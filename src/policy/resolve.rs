//! From a table as it is written to one that can be used: every alias leads
//! somewhere, every id and ARN has the form of one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::document::{self, Assign, Document, Limits};
use super::{Pattern, Protected, Rule, Selector, Studio, Table};
use crate::error::Problem;
use crate::identity::Id;
use crate::visible;

/// Resolves what it can and adds a problem for everything else.
pub(super) fn resolve(document: &Document, problems: &mut Vec<Problem>) -> Table {
    let mut names = Names {
        document,
        studios: Vec::new(),
        called: HashMap::new(),
        no_studio: HashMap::new(),
        policies: HashMap::new(),
        reported: problems.iter().map(|one| one.place.clone()).collect(),
        problems,
    };
    names.check_studios();
    names.check_session_policies();
    let rules: Vec<Rule> = document
        .rules
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| names.rule(rule, &format!("rules[{index}]")))
        .collect();
    let protect = document
        .protect
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| names.protected(entry, &format!("protect[{index}]")))
        .collect();
    let mut studios = names.studios;
    for rule in &rules {
        studios[rule.studio]
            .session_policies
            .insert(rule.session_policy.clone());
    }
    Table {
        studios,
        rules,
        protect,
        deletions: document.deletions,
        pace: document.pace,
        on_missing_group: document.on_missing_group,
        on_disabled_user: document.on_disabled_user,
        ownership: document.ownership,
    }
}

struct Names<'a> {
    document: &'a Document,
    studios: Vec<Studio>,
    /// Their places, by alias and id.
    called: HashMap<String, usize>,
    /// What is said of names that no Studio has, and what those of session policies
    /// stand for: many rules may have one name, and to say what it may be a
    /// misspelling of takes a while.
    no_studio: HashMap<String, String>,
    policies: HashMap<String, Result<String, String>>,
    /// The places of the problems that are known already.
    reported: BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl Names<'_> {
    fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(place, message));
    }

    fn add(&mut self, studio: Studio) {
        let place = self.studios.len();
        // A Studio without an id, which has its problem already, is nobody's "".
        let id = Some(&studio.id).filter(|id| !id.is_empty());
        for name in id.into_iter().chain([&studio.alias]) {
            self.called.entry(name.clone()).or_insert(place);
        }
        self.studios.push(studio);
    }

    fn check_studios(&mut self) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for (alias, studio) in &self.document.studios {
            let place = format!("studios.{alias}");
            if self.has_problem(&place) || self.is_absent(&studio.id, &place, "id") {
                // That has its problem already.
            } else if !is_studio_id(&studio.id) {
                let message = format!(
                    "{} is not the id of a Studio; one looks like {STUDIO}",
                    visible::quoted(&studio.id)
                );
                self.problem(format!("{place}.id"), message);
            } else if let Some(other) = seen.insert(&studio.id, alias) {
                let message = format!(
                    "{} is called {} already; keep one of the two",
                    studio.id,
                    visible::quoted(other)
                );
                self.problem(format!("{place}.id"), message);
            }
            if let Some(role) = studio
                .role_arn
                .as_deref()
                .filter(|role| !is_iam_arn(role, "role/"))
            {
                let message = format!("{} is not the ARN of a role", visible::quoted(role));
                self.problem(format!("{place}.role_arn"), message);
            }
            let has_role = studio.role_arn.is_some() || self.has_reported(&place, "role_arn");
            if studio.external_id.is_some() && !has_role {
                self.problems.push(Problem::of_name(
                    format!("{place}.external_id"),
                    "is only used with a role_arn",
                ));
            }
            if let Some(region) = studio.region.as_deref().filter(|region| !is_region(region)) {
                self.problem(
                    format!("{place}.region"),
                    format!("{} is not a Region", visible::quoted(region)),
                );
            }
            let mut session_policies = BTreeSet::new();
            for (index, policy) in studio.retired_policies.iter().enumerate() {
                let place = format!("{place}.retired_policies[{index}]");
                session_policies.extend(self.session_policy(policy, &place));
            }
            self.add(Studio {
                alias: alias.clone(),
                id: studio.id.clone(),
                region: studio.region.clone(),
                role_arn: studio.role_arn.clone(),
                external_id: studio.external_id.clone(),
                user_limit: studio.limits.users as usize,
                group_limit: studio.limits.groups as usize,
                session_policies,
            });
        }
    }

    fn check_session_policies(&mut self) {
        for (alias, arn) in &self.document.session_policies {
            let place = format!("session_policies.{alias}");
            if !is_iam_arn(arn, "policy/") && !self.has_problem(&place) {
                let message = format!(
                    "{} is not the ARN of an IAM policy; one looks like {POLICY}",
                    visible::quoted(arn)
                );
                self.problem(place, message);
            }
        }
    }

    fn rule(&mut self, rule: &document::Rule, place: &str) -> Option<Rule> {
        if self.has_problem(place) {
            return None; // it is no object
        }
        let selector = self.selector(
            [&rule.group, &rule.group_id, &rule.user, &rule.user_id],
            place,
        );
        let studio = if self.is_absent(&rule.studio, place, "studio") {
            None
        } else {
            self.studio(&rule.studio, &format!("{place}.studio"))
        };
        let policy = if self.is_absent(&rule.session_policy, place, "session_policy") {
            None
        } else {
            self.session_policy(&rule.session_policy, &format!("{place}.session_policy"))
        };
        let of_group = rule.group.is_some() || rule.group_id.is_some();
        let of_user = rule.user.is_some() || rule.user_id.is_some();
        let assign = match rule.assign {
            None if of_group && !self.has_reported(place, "assign") => {
                let message = "a group rule needs it: \"group\" maps the group itself, \
                               \"members\" maps each member as a user";
                self.problem(format!("{place}.assign"), message);
                None
            }
            Some(_) if of_user && !of_group => {
                self.problems.push(Problem::of_name(
                    format!("{place}.assign"),
                    "only group rules take it; leave it out",
                ));
                None
            }
            assign => Some(assign.unwrap_or(Assign::Members)),
        };
        Some(Rule {
            select: selector?,
            assign: assign?,
            studio: studio?,
            session_policy: policy?,
        })
    }

    fn protected(&mut self, entry: &document::Protected, place: &str) -> Option<Protected> {
        if self.has_problem(place) {
            return None; // it is no object
        }
        let selector = self.selector(
            [&entry.group, &entry.group_id, &entry.user, &entry.user_id],
            place,
        );
        let of_group = entry.group.is_some() || entry.group_id.is_some();
        let of_user = entry.user.is_some() || entry.user_id.is_some();
        if entry.assign.is_some() && of_user && !of_group {
            self.problems.push(Problem::of_name(
                format!("{place}.assign"),
                "only a group takes it; leave it out",
            ));
        }
        Some(Protected {
            select: selector?,
            assign: entry.assign,
        })
    }

    fn has_problem(&self, place: &str) -> bool {
        self.reported.contains(place)
    }

    /// Whether a field of the object at `place` is known to be wrong: missing,
    /// of the wrong kind, or misspelt.
    fn has_reported(&self, place: &str, field: &'static str) -> bool {
        let inside = format!("{place}.");
        let from = self.reported.range(inside.clone()..);
        from.map_while(|place| place.strip_prefix(&inside))
            .any(|name| alike(name, [field]).is_some())
    }

    /// Whether a needed field is empty because it could not be read, which has
    /// its problem already.
    fn is_absent(&self, value: &str, place: &str, field: &'static str) -> bool {
        value.is_empty() && self.has_reported(place, field)
    }

    fn selector(&mut self, given: [&Option<String>; 4], place: &str) -> Option<Selector> {
        const NAMES: [&str; 4] = ["group", "group_id", "user", "user_id"];
        let given: Vec<(&str, &str)> = NAMES
            .into_iter()
            .zip(given)
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect();
        let (name, value) = match given[..] {
            [one] => one,
            // A selector of the wrong kind, or a misspelt one, is reported there.
            [] if NAMES.iter().any(|name| self.has_reported(place, name)) => return None,
            [] => {
                self.problem(
                    place,
                    "says nobody: give one of group, group_id, user, user_id",
                );
                return None;
            }
            _ => {
                let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
                self.problem(
                    place,
                    format!("selects by {}; keep one", names.join(" and ")),
                );
                return None;
            }
        };
        let place = format!("{place}.{name}");
        let selector = match name {
            _ if value.is_empty() => Err("is empty".to_owned()),
            "group" => Ok(Selector::Group(Pattern::new(value))),
            "user" if value.contains('*') => {
                Err("user names are exact, only group names take \"*\"; \
                     use user_id if the name really has one"
                    .to_owned())
            }
            "user" => Ok(Selector::User(value.to_owned())),
            _ => match Id::parse(value) {
                Some(id) if name == "group_id" => Ok(Selector::GroupId(id)),
                Some(id) => Ok(Selector::UserId(id)),
                None => Err(format!(
                    "{} is not an id; one looks like {ID}",
                    visible::quoted(value)
                )),
            },
        };
        selector
            .map_err(|message| self.problem(place, message))
            .ok()
    }

    fn studio(&mut self, name: &str, place: &str) -> Option<usize> {
        if let Some(known) = self.called.get(name) {
            return Some(*known);
        }
        if is_studio_id(name) {
            let limits = Limits::default();
            self.add(Studio {
                alias: name.to_owned(),
                id: name.to_owned(),
                region: None,
                role_arn: None,
                external_id: None,
                user_limit: limits.users as usize,
                group_limit: limits.groups as usize,
                session_policies: BTreeSet::new(),
            });
            return Some(self.studios.len() - 1);
        }
        // What is missing as a whole has its problem already.
        if self.has_problem("studios") {
            return None;
        }
        let known = self.document.studios.keys();
        let guess = self.problems.len() < GUESSES;
        let message = || not_called("studio", "studios", name, known, guess);
        let unknown = self.no_studio.entry(name.to_owned());
        let message = unknown.or_insert_with(message).clone();
        self.problem(place, message);
        None
    }

    fn session_policy(&mut self, name: &str, place: &str) -> Option<String> {
        let asked = self.policies.entry(name.to_owned());
        let guess = self.problems.len() < GUESSES;
        let known = asked.or_insert_with(|| arn_of(self.document, name, guess));
        match known.clone() {
            Ok(arn) => Some(arn),
            Err(_) if self.has_problem("session_policies") => None,
            Err(message) => {
                self.problem(place, message);
                None
            }
        }
    }
}

/// Who has more problems has one that is not a misspelling. What was meant is guessed
/// for no more names: each is compared with hundreds.
const GUESSES: usize = 100;

/// The ARN that an alias stands for, or that is given as such.
///
/// # Errors
/// That there is none of this name, and which there are.
#[cfg(feature = "cli")]
pub(crate) fn session_policy(document: &Document, name: &str) -> Result<String, String> {
    arn_of(document, name, true)
}

fn arn_of(document: &Document, name: &str, guess: bool) -> Result<String, String> {
    if let Some(arn) = document.session_policies.get(name) {
        return Ok(arn.clone());
    }
    if is_iam_arn(name, "policy/") {
        return Ok(name.to_owned());
    }
    let known = document.session_policies.keys();
    Err(not_called(
        "session policy",
        "session_policies",
        name,
        known,
        guess,
    ))
}

const STUDIO: &str = "es-ABCDEFGHIJKLMNOPQRSTUVWXY";
const POLICY: &str = "arn:aws:iam::111122223333:policy/name";
const ID: &str = "0a1b2c3d-1001-7001-8001-00000000a001";

/// That nothing of a kind has this name, which names there are, and which of
/// them may have been meant, if a `guess` is wanted.
pub(super) fn not_called<'a>(
    what: &str,
    plural: &str,
    name: &str,
    known: impl ExactSizeIterator<Item = &'a String> + Clone,
    guess: bool,
) -> String {
    /// No more than so many are for reading; and where many names are wrong,
    /// telling all of them each time would never end.
    const SHOWN: usize = 30;
    const SEARCHED: usize = 300;
    let mut message = format!("no {what} is called {}", visible::quoted(name));
    let shown = known.clone().take(SHOWN).map(|name| visible::name(name));
    let shown: Vec<String> = shown.collect();
    match (shown.is_empty(), known.len() - shown.len()) {
        (true, _) => message += &format!("; there are no {plural}"),
        (false, 0) => message += &format!("; {plural} are {}", shown.join(", ")),
        (false, more) => {
            message += &format!("; {plural} are {} and {more} more", shown.join(", "));
        }
    }
    let mut known = known.map(String::as_str).take(SEARCHED);
    if let Some(name) = guess.then(|| alike(name, &mut known)).flatten() {
        message += &format!("; did you mean {}?", visible::quoted(name));
    }
    message
}

/// The one of `known` that `name` is most likely a misspelling of: in another case it
/// is one too.
pub(crate) fn alike<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// What is longer is no word that somebody misspelt, and would take long.
    const LONGEST: usize = 200;
    let length = name.chars().take(LONGEST + 1).count();
    let name = name.to_lowercase();
    known
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.chars().count();
            let far = other.div_ceil(4).max(1);
            if length > LONGEST || length.abs_diff(other) > far {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            (distance <= far).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether `text` has the form of a Studio's id.
pub(crate) fn is_studio_id(text: &str) -> bool {
    text.strip_prefix("es-").is_some_and(|id| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

/// Whether `text` is `arn:<partition>:iam::<account>:<resource>…`. Policies of
/// AWS itself have the account `aws`.
pub(super) fn is_iam_arn(text: &str, resource: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, rest] = parts[..] else {
        return false;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    arn == "arn"
        && partition.starts_with("aws")
        && partition
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        && service == "iam"
        && region.is_empty()
        && (is_account || (account == "aws" && resource == "policy/"))
        && rest
            .strip_prefix(resource)
            .is_some_and(|name| !name.is_empty())
}

/// Whether `text` has the form of a Region's name, `eu-west-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, middle @ .., number] = &parts[..] else {
        return false;
    };
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word(area)
        && !middle.is_empty()
        && middle.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}
