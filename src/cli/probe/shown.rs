//! The report: what was said, and which of the emulator's switches agree. Nobody's
//! name is in it, and no id.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Subjects;
use super::asked::Said;
use super::questions::{NOT_MAPPED, Questions};
use crate::cli::words::counted;
use crate::emulator::Texts;
use crate::visible;

/// Why a switch is not settled, where it is not. With these, each switch of the
/// emulator's is accounted for.
const OPEN: [(&str, &str); 19] = [
    ("bare_empty_lists", "users and groups are mapped there"),
    (
        "names_ignore_case",
        "names have no letters, or calls differ, or failed",
    ),
    ("lists_follow_renames", RENAME),
    ("gets_follow_renames", RENAME),
    ("found_after_rename", RENAME),
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

const RENAME: &str = "it takes somebody who is renamed: give --rename";
const NO_RENAME: &str = "the rename was not seen, or did not tell";

impl Questions<'_> {
    pub(super) fn report(&self, region: &str) -> String {
        let secrets = self.secrets();
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
            let why = match why {
                RENAME if self.name_before.is_some() => NO_RENAME,
                why => why,
            };
            if !self.settled.contains_key(switch) {
                let _ = writeln!(text, "* `{switch}`: {why}");
            }
        }
        if self.subjects.group.is_none() {
            text += "* `names_ignore_case` of groups: give --group\n";
        }
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
    /// Each, in small letters, and what stands in its place. What has another one in
    /// it comes before that.
    known: Vec<(String, &'static str)>,
    /// Words that the service's own sentences have.
    words: BTreeSet<String>,
}

impl Secrets {
    /// `new_name`: the user's, after a rename.
    pub(super) fn of(subjects: &Subjects, new_name: Option<&str>) -> Secrets {
        let Subjects {
            engine,
            studio,
            user,
            user_name,
            group,
            session_policy,
        } = subjects;
        let mut secrets = vec![
            (session_policy.as_str(), "<session policy>"),
            (studio, "<studio>"),
            (engine.store_id(), "<store>"),
            (user.id.as_str(), "<user id>"),
            (user_name, "<user>"),
        ];
        secrets.extend(new_name.map(|name| (name, "<new name>")));
        if let Some((group, name)) = group {
            secrets.push((group.id.as_str(), "<group id>"));
            secrets.push((name, "<group>"));
        }
        Secrets::from(&secrets)
    }

    fn from(secrets: &[(&str, &'static str)]) -> Secrets {
        let mut known = Vec::new();
        for (secret, place) in secrets {
            // As it is, as JSON quotes it, and both as errors have them.
            let quoted = json!(secret).to_string();
            let quoted = quoted[1..quoted.len() - 1].to_owned();
            for form in [(*secret).to_owned(), quoted] {
                let words: Vec<&str> = form.split_whitespace().collect();
                known.push((visible::line(&words.join(" ")).to_lowercase(), *place));
                known.push((form.to_lowercase(), *place));
            }
        }
        known.retain(|(secret, _)| !secret.is_empty());
        known.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        let texts = json!(Texts::default());
        let texts = texts.as_object().into_iter().flat_map(Map::values);
        let texts = texts.filter_map(Value::as_str);
        let words = texts
            .chain([NOT_MAPPED, PUBLISHED])
            .flat_map(|text| text.split(|one: char| !one.is_alphanumeric()));
        Secrets {
            words: words.map(str::to_lowercase).collect(),
            known,
        }
    }

    /// A text without them, and without whatever looks like somebody's id.
    pub(super) fn without(&self, text: &str) -> String {
        without_ids(&self.without_names(text))
    }

    /// A name that is a word of the service's own, like "user", is one among others
    /// there: only what it is put in place of would tell that it is a name.
    fn without_names(&self, text: &str) -> String {
        let mut done = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let hides = |(secret, place): &(String, &'static str)| {
                let length = begins_with(rest, secret)?;
                let is_part = |one: Option<char>| one.is_some_and(char::is_alphanumeric);
                let is_free = !is_part(done.chars().next_back())
                    && !is_part(rest[length..].chars().next())
                    || is_unmistakable(secret);
                (is_free && !self.words.contains(secret)).then_some((length, *place))
            };
            let (length, shown) = match self.known.iter().find_map(hides) {
                Some((length, place)) => (length, place),
                None if self.is_cut(rest) => break,
                None => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            done += shown;
            rest = &rest[length..];
        }
        match rest.is_empty() {
            true => done,
            false => done + "…",
        }
    }

    /// Whether this is all that a long text, cut off, has left of a name.
    fn is_cut(&self, rest: &str) -> bool {
        let Some(part) = rest.strip_suffix('…') else {
            return false;
        };
        let part = part.to_lowercase();
        let begins = |secret: &str| secret.len() > part.len() && secret.starts_with(&part);
        !part.is_empty() && self.known.iter().any(|(secret, _)| begins(secret))
    }

    /// What stands in place of just this name.
    fn place_of(&self, name: &str) -> &'static str {
        let name = name.to_lowercase();
        let known = self.known.iter().find(|(known, _)| *known == name);
        known.map_or("<another name>", |(_, place)| place)
    }

    /// The rows of a list that are ours: those of others are nobody's business.
    fn our_rows(&self, rows: &[Value]) -> Value {
        let is_ours = |row: &&Value| {
            let policy = row["SessionPolicyArn"].as_str();
            policy.is_some_and(|policy| self.place_of(policy) == "<session policy>")
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
                        ("IdentityName", Value::String(name)) => json!(self.place_of(name)),
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

/// What else others have published of what the service says.
const PUBLISHED: &str = " Studio session mapping already exists. IdentityId is invalid (Service: \
    AWSEditors; Status Code: 400; Error Code: InvalidRequestException; Request ID: ; Proxy: null)";

/// How long a word in small letters is at the beginning of a text, in any case.
fn begins_with(text: &str, small: &str) -> Option<usize> {
    let mut left = small;
    for (at, one) in text.char_indices() {
        if left.is_empty() {
            return Some(at);
        }
        for letter in one.to_lowercase() {
            left = left.strip_prefix(letter)?;
        }
    }
    left.is_empty().then_some(text.len())
}

/// Whether a name can be nothing else, also in the middle of a word: an address of
/// e-mail, an id.
fn is_unmistakable(secret: &str) -> bool {
    let letters = secret.chars().filter(|one| one.is_alphanumeric()).count();
    letters > 3 && letters < secret.chars().count()
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
        let without =
            |names: &[(&str, &'static str)], text: &str| Secrets::from(names).without(text);
        for (name, text, shown) in [
            ("al", "al: Al's also", "<user>: <user>'s also"),
            ("a.b", "a.b a.bc", "<user> a.bc"),
            ("Alice", "alice ALICE malice", "<user> <user> malice"),
            ("al@e.com", "xal@e.comx", "x<user>x"),
            // As it comes in an error, which is one line.
            (
                "al  \u{200b}ice",
                r"who is al \u{200b}ice?",
                "who is <user>?",
            ),
            (
                r#"CORP\al "x""#,
                r#"{"who":"corp\\al \"x\""}"#,
                r#"{"who":"<user>"}"#,
            ),
            ("Zoë", "ZOË zoës", "<user> zoës"),
            ("\u{130}x", "i\u{307}x \u{130}X", "<user> <user>"),
            // Nobody can tell a name from the word.
            ("user", "The user is USER", "The user is USER"),
            ("no", "No user, not no", "<user> user, not <user>"),
            ("policy", "a policy's", "a <user>'s"),
            (".", "It is not. (a.b)", "It is not. (a.b)"),
        ] {
            assert_eq!(without(&[(name, "<user>")], text), shown, "{name}");
        }
        // The longer goes first, and what was put in place stays as it is.
        let both = [("al", "<user>"), ("al-2", "<new name>"), ("new", "<group>")];
        assert_eq!(without(&both, "al al-2 new"), "<user> <new name> <group>");
    }

    #[test]
    fn what_is_left_of_a_name_at_the_end_of_a_long_text_is_taken_out() {
        let secrets = Secrets::from(&[("data engineers of the north", "<group>")]);
        for (text, without) in [
            ("Value 'data engineers of…", "Value '…"),
            ("Value 'Data…", "Value '…"),
            ("too long…", "too long…"),
        ] {
            assert_eq!(secrets.without(text), without);
        }
    }
}
