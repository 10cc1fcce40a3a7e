//! Who is mapped: users and groups of an identity store, and their ids. And
//! the id of the store itself.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The id of a user, a group or a membership: a UUID, often behind ten
/// hexadecimal digits and a hyphen, in any case.
///
/// Events write it in any case: what is read from them is put in lower case, as
/// the services write it. What a service answers is kept as it is, and all are
/// compared without regard to case.
///
/// A pass over a large directory has each of them in many places, so a copy shares
/// its text, and what comparing takes is worked out when it is made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Id {
    text: Arc<str>,
    is_lower: bool,
    /// Of the text in lower case.
    hash: u32,
}

impl Id {
    /// Reads an id out of an event, a table or a request. An ARN is as good as
    /// an id: what stands after the last `/` counts.
    pub fn parse(text: &str) -> Option<Id> {
        let id = after_last_slash(text.trim());
        let uuid = match id.split_once('-') {
            Some((prefix, rest)) if prefix.len() == 10 && is_hex(prefix) => rest,
            _ => id,
        };
        let parts: Vec<&str> = uuid.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        let fits = parts.len() == lengths.len()
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == length && is_hex(part));
        // The services write them so, and need not be asked for more tolerance.
        fits.then(|| Id::from(id.to_ascii_lowercase()))
    }

    /// Takes an id from an answer of the service, whose own form is not ours to
    /// judge. Only an empty one is no id.
    pub fn from_service(text: &str) -> Option<Id> {
        (!text.is_empty()).then(|| Id::from(text.to_owned()))
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id as it is compared.
    fn folded(&self) -> Cow<'_, str> {
        match self.is_lower {
            true => Cow::Borrowed(&self.text),
            false => Cow::Owned(self.text.to_ascii_lowercase()),
        }
    }
}

impl From<String> for Id {
    fn from(text: String) -> Id {
        let folded = text.bytes().map(|byte| byte.to_ascii_lowercase());
        // FNV-1a: no secret is needed to tell ids apart that AWS makes up.
        let hash = folded.fold(0x811c_9dc5, |hash: u32, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        Id {
            is_lower: !text.bytes().any(|byte| byte.is_ascii_uppercase()),
            hash,
            text: text.into(),
        }
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.text.as_ref().to_owned()
    }
}

/// The id of an identity store, out of an id or an ARN: `d-` and ten
/// hexadecimal digits, or a UUID.
pub fn store_id(text: &str) -> Option<&str> {
    let id = after_last_slash(text.trim());
    let is_directory = id.strip_prefix("d-").is_some_and(|digits| {
        digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    let is_uuid = id.len() == 36 && Id::parse(id).is_some();
    (is_directory || is_uuid).then_some(id)
}

/// What stands after the last `/`, so that an ARN serves where an id does.
fn after_last_slash(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl PartialEq for Id {
    fn eq(&self, other: &Id) -> bool {
        self.hash == other.hash
            && (Arc::ptr_eq(&self.text, &other.text) || self.folded() == other.folded())
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Id) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Id) -> Ordering {
        match Arc::ptr_eq(&self.text, &other.text) {
            true => Ordering::Equal,
            false => self.folded().cmp(&other.folded()),
        }
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.hash);
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.text).finish()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The two kinds of identity a session mapping can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum IdentityType {
    /// A person.
    User,
    /// A group, whose members all get the mapping's session policy.
    Group,
}

impl fmt::Display for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            IdentityType::User => "USER",
            IdentityType::Group => "GROUP",
        })
    }
}

/// A user or a group, as a session mapping names it.
///
/// A user and a group are separate identities even where one is in the other:
/// AWS unites what both their mappings permit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// User or group.
    pub kind: IdentityType,
    /// The id in the identity store.
    pub id: Id,
}

impl Identity {
    /// The user with this id.
    pub fn user(id: Id) -> Identity {
        Identity {
            kind: IdentityType::User,
            id,
        }
    }

    /// The group with this id.
    pub fn group(id: Id) -> Identity {
        Identity {
            kind: IdentityType::Group,
            id,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0a1b2c3d-1001-7001-8001-00000000a001";

    #[test]
    fn an_id_is_a_uuid_with_or_without_its_prefix_alone_or_in_an_arn() {
        for text in [
            UUID.to_owned(),
            format!("906764c2ac-{UUID}"),
            format!("arn:aws:identitystore:::user/{UUID}"),
            format!(
                "arn:aws:identitystore:::user/906764C2AC-{}",
                UUID.to_uppercase()
            ),
        ] {
            let id = Id::parse(&text).expect(&text);
            let lower = text.to_lowercase();
            assert!(lower.ends_with(id.as_str()), "{text} was read as {id}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "alice",
            "HIDDEN_DUE_TO_SECURITY_REASONS",
            "d-1234567890",
            "0a1b2c3d-1001-7001-8001-00000000a00g",
            "90676-0a1b2c3d-1001-7001-8001-00000000a001",
            "arn:aws:identitystore:::user/",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_store_is_named_by_its_own_kind_of_id_or_a_uuid_alone_or_in_an_arn() {
        for (text, id) in [
            ("d-1234567890", Some("d-1234567890")),
            (" d-12345abcDE ", Some("d-12345abcDE")),
            (UUID, Some(UUID)),
            (
                "arn:aws:identitystore::111122223333:identitystore/d-1234567890",
                Some("d-1234567890"),
            ),
            ("", None),
            ("d-", None),
            ("d-123456789", None),
            ("d-123456789g", None),
            ("D-1234567890", None),
            // As a user's id it would do.
            ("906764c2ac-0a1b2c3d-1001-7001-8001-00000000a001", None),
        ] {
            assert_eq!(store_id(text), id, "{text:?}");
        }
    }

    #[test]
    fn ids_are_equal_in_any_case() {
        let (lower, upper) = (Id::parse(UUID), Id::parse(&UUID.to_uppercase()));
        assert_eq!(lower, upper);
        assert_ne!(lower, Id::parse("0a1b2c3d-1001-7001-8001-00000000a002"));
    }
}
