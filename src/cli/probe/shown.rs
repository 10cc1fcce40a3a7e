//! The report: what was said, and which of the emulator's switches agree. Nobody's
//! name is in it, and no id.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Subjects;
use super::asked::Said;
use super::questions::{Questions, in_another_case};
use crate::cli::words::counted;

/// Why a switch is not settled, where it is not. With these, each switch of the
/// emulator's is accounted for.
const OPEN: [(&str, &str); 16] = [
    ("bare_empty_lists", "users and groups are mapped there"),
    (
        "names_ignore_case",
        "names have no letters, or calls differ",
    ),
    (
        "user_and_group_mapping",
        "give --group, a group that the user is in",
    ),
    (
        "texts.user_and_group",
        "it takes a service that refuses both",
    ),
    ("texts.iam_studio", "it takes a Studio with AuthMode IAM"),
    ("texts.too_many_users", "it takes a Studio that is full"),
    ("texts.too_many_groups", "it takes a Studio that is full"),
    ("rows_without_id", "one mapping tells of no others"),
    ("page_size", "it takes more mappings than a probe makes"),
    (
        "delete_after_identity_gone",
        "it takes a user who is deleted while mapped",
    ),
    (
        "emr_learns_late_ms",
        "it takes a user who was made this moment",
    ),
    (
        "directory_lags_ms",
        "it takes a membership that was made this moment",
    ),
    (
        "memberships_outlive_users",
        "it takes a member who is deleted",
    ),
    ("max_identity_page", "it takes a large directory"),
    ("log_page_size", "no log is read"),
    ("empty_log_pages", "no log is read"),
];

impl Questions<'_> {
    pub(super) fn report(&self, region: &str) -> String {
        let secrets = Secrets::of(self.subjects);
        let made = &self.calls.made;
        let mut text = format!(
            "Asked by emr-studio-sync {} in {region}: {}. Names and ids are taken out.\n\n\
             | call | asked | answer | ms |\n|---|---|---|---|\n",
            crate::VERSION,
            counted(made.len(), "call")
        );
        for asked in made {
            let answer = match &asked.said {
                Said::Is(answer) => in_code(&secrets.within(answer).to_string()),
                Said::Refused(words) => format!("no: {}", in_code(&secrets.without(words))),
                Said::Failed(words) => format!("failed: {}", in_code(&secrets.without(words))),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {answer} | {} |",
                asked.call, asked.about, asked.ms
            );
        }
        text += "\nThe embedded AWS does the same with\n\n```toml\n";
        text += &self.switches();
        text += "```\n";
        if !self.seen.is_empty() {
            text += "\nSeen besides:\n\n";
        }
        for seen in &self.seen {
            let _ = writeln!(text, "* {seen}");
        }
        text += "\nNot settled:\n\n";
        for (switch, why) in OPEN {
            if !self.settled.contains_key(switch) {
                let _ = writeln!(text, "* `{switch}`: {why}");
            }
        }
        text += "* what a rename does to a mapping: it takes somebody who is renamed\n";
        text
    }

    /// As a seed file has them.
    fn switches(&self) -> String {
        let (mut settings, mut texts) = (Map::new(), Map::new());
        for (switch, value) in &self.settled {
            match switch.strip_prefix("texts.") {
                Some(name) => texts.insert(name.to_owned(), value.clone()),
                None => settings.insert((*switch).to_owned(), value.clone()),
            };
        }
        if !texts.is_empty() {
            settings.insert("texts".to_owned(), texts.into());
        }
        toml::to_string(&json!({ "settings": settings })).unwrap_or_default()
    }
}

/// A text as a cell of the table shows it, to the letter.
fn in_code(text: &str) -> String {
    let text = text.replace('`', "'").replace('|', "\\|");
    let text: String = text.chars().filter(|one| !one.is_control()).collect();
    format!("`{text}`")
}

/// What nobody is to read.
pub(super) struct Secrets {
    /// Each, and what stands in its place.
    known: Vec<(String, &'static str)>,
}

impl Secrets {
    pub(super) fn of(subjects: &Subjects) -> Secrets {
        let Subjects {
            engine,
            studio,
            user,
            user_name,
            group,
            session_policy,
        } = subjects;
        let mut known = vec![
            (session_policy.clone(), "<session policy>"),
            (studio.clone(), "<studio>"),
            (engine.store_id().to_owned(), "<store>"),
            (user.id.to_string(), "<user id>"),
            (user_name.clone(), "<user>"),
        ];
        known.extend(in_another_case(user_name).map(|name| (name, "<user>")));
        if let Some((group, name)) = group {
            known.push((group.id.to_string(), "<group id>"));
            known.push((name.clone(), "<group>"));
        }
        // A name that has another one in it goes before that.
        known.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        Secrets { known }
    }

    /// A text without them, and without whatever looks like somebody's id.
    pub(super) fn without(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (secret, place) in &self.known {
            text = replaced(&text, secret, place);
        }
        without_ids(&text)
    }

    /// The rows of a list that are ours: those of others are nobody's business.
    fn our_rows(&self, rows: &[Value]) -> Value {
        let is_ours = |row: &&Value| {
            let policy = row["SessionPolicyArn"].as_str();
            policy.is_some_and(|policy| self.known.iter().any(|(known, _)| known == policy))
        };
        let ours: Vec<Value> = rows
            .iter()
            .filter(is_ours)
            .map(|row| self.within(row))
            .collect();
        let others = rows.len() - ours.len();
        let others = (others > 0).then(|| json!(format!("<{} more>", others)));
        ours.into_iter().chain(others).collect()
    }

    /// An answer without them.
    fn within(&self, answer: &Value) -> Value {
        match answer {
            Value::String(text) => json!(self.without(text)),
            Value::Array(rows) => rows.iter().map(|row| self.within(row)).collect(),
            Value::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| {
                    let value = match (name.as_str(), value) {
                        ("SessionMappings", Value::Array(rows)) => self.our_rows(rows),
                        ("IdentityName", Value::String(name)) => {
                            let known = self.known.iter().find(|(known, _)| known == name);
                            json!(known.map_or("<another name>", |(_, place)| place))
                        }
                        (time, Value::Number(_)) if time.ends_with("Time") => json!("<time>"),
                        (_, value) => self.within(value),
                    };
                    (name.clone(), value)
                });
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }
}

/// A text with one word in the place of another, wherever that stands by itself.
fn replaced(text: &str, word: &str, by: &str) -> String {
    let stands_alone = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let is_part = |one: Option<char>| one.is_some_and(char::is_alphanumeric);
        !is_part(before) && !is_part(after)
    };
    let mut done = String::new();
    let mut from = 0;
    for (at, _) in text.match_indices(word) {
        if at >= from && !word.is_empty() && stands_alone(at) {
            done += &text[from..at];
            done += by;
            from = at + word.len();
        }
    }
    done + &text[from..]
}

/// A text without ARNs, ids and accounts.
fn without_ids(text: &str) -> String {
    let ends_arn = |one: char| one.is_whitespace() || "\"'`,;()<>".contains(one);
    let ends_word = |one: char| !one.is_ascii_alphanumeric() && one != '-';
    let (mut done, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let is_arn = rest.starts_with("arn:");
        let end = match is_arn {
            true => rest.find(ends_arn),
            false => rest.find(ends_word),
        };
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        let is_id =
            |least: usize, is: fn(char) -> bool| word.len() >= least && word.chars().all(is);
        done += match () {
            () if is_arn => "<arn>",
            () if is_id(12, |one| one.is_ascii_digit()) => "<number>",
            () if is_id(32, |one| one.is_ascii_hexdigit() || one == '-') => "<id>",
            () if word.starts_with("es-") && word.len() > 20 => "<studio>",
            () => word,
        };
        // What ends a word is one character, whatever it is.
        let mut next = after.chars();
        done.extend(next.next());
        rest = next.as_str();
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accounts_and_arns_are_taken_out_wherever_they_stand() {
        for (text, without) in [
            (
                "Request ID: 0c1d2e3f-0000-4000-8000-000000000001; Proxy: null)",
                "Request ID: <id>; Proxy: null)",
            ),
            (
                "User: arn:aws:iam::111122223333:user/joe is not authorized",
                "User: <arn> is not authorized",
            ),
            ("in 111122223333.", "in <number>."),
            ("Status Code: 400", "Status Code: 400"),
            ("studio/es-ABCDEFGHIJKLMNOPQRSTUVWXY", "studio/<studio>"),
        ] {
            assert_eq!(without_ids(text), without);
        }
    }

    #[test]
    fn a_name_is_replaced_where_it_stands_by_itself() {
        assert_eq!(
            replaced("al: al's also", "al", "<user>"),
            "<user>: <user>'s also"
        );
        assert_eq!(replaced("a.b a.bc", "a.b", "x"), "x a.bc");
    }
}
