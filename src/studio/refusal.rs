//! Why EMR refused a call: only its texts tell.

use std::fmt;

use crate::aws::{CallError, Kind};

/// Why a call about a Studio failed. EMR's errors all have one code; only their
/// texts tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `Studio session mapping already exists.`
    AlreadyMapped,
    /// `Studio session mapping does not exist`
    NotMapped,
    /// `Studio does not exist`: a wrong id, Region or account. Never a sign that
    /// a mapping is gone.
    NoStudio(CallError),
    /// `IdentityId is invalid`: unknown, or no longer there.
    InvalidIdentity(CallError),
    /// Anything else.
    Other(CallError),
}

/// What EMR's text says: an error that is not a refusal is left as it is.
pub(super) fn refusal(failed: CallError) -> Refusal {
    if failed.kind != Kind::Refused {
        return Refusal::Other(failed);
    }
    // A text may end with or without a full stop, and has a tail of codes and
    // request ids: what it contains tells, not what it equals.
    let message = failed.text.to_ascii_lowercase();
    if message.contains("session mapping already exists") {
        Refusal::AlreadyMapped
    } else if message.contains("session mapping does not exist") {
        Refusal::NotMapped
    } else if message.contains("studio does not exist") {
        Refusal::NoStudio(failed)
    } else if message.contains("identityid is invalid") {
        Refusal::InvalidIdentity(failed)
    } else {
        Refusal::Other(failed)
    }
}

impl Refusal {
    /// Whether it may go another time.
    pub fn is_transient(&self) -> bool {
        match self {
            Refusal::Other(error) => error.is_transient(),
            Refusal::AlreadyMapped
            | Refusal::NotMapped
            | Refusal::NoStudio(_)
            | Refusal::InvalidIdentity(_) => false,
        }
    }

    /// What it says to somebody who has given no table.
    #[cfg(feature = "cli")]
    pub(crate) fn without_a_table(&self) -> String {
        match self {
            Refusal::NoStudio(error) => {
                format!("{error}; check --studio, --region and --profile")
            }
            other => other.to_string(),
        }
    }

    /// Whether the call was not made for want of time.
    pub fn is_no_time(&self) -> bool {
        matches!(self, Refusal::Other(error) if error.kind == Kind::NoTime)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::AlreadyMapped => f.write_str("the mapping exists already"),
            Refusal::NotMapped => f.write_str("the mapping does not exist"),
            Refusal::NoStudio(error) => {
                write!(
                    f,
                    "{error}; check the Studio's id, region and role_arn in the table"
                )
            }
            Refusal::InvalidIdentity(error) => {
                write!(f, "{error}; the identity is unknown to EMR, or gone")
            }
            Refusal::Other(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws;

    const TEXTS: [&str; 4] = [
        "Studio session mapping already exists.",
        "Studio session mapping does not exist",
        "Studio does not exist",
        "IdentityId is invalid",
    ];

    /// How a call that failed so is refused, with the cause behind EMR's answer
    /// in its tail.
    fn refused(text: &str, status: u16, code: &str) -> Refusal {
        let text = format!(
            "{text} (Service: AWSEditors; Status Code: {status}; Error Code: {code}; \
             Request ID: 0c1d2e3f-0000-4000-8000-000000000001; Proxy: null)"
        );
        let kind = aws::classify(400, Some("InvalidRequestException"), Some(&text));
        refusal(CallError::new("GetStudioSessionMapping", kind, text))
    }

    #[test]
    fn a_refusal_is_told_by_its_text() {
        let [exists, no_mapping, no_studio, invalid] =
            TEXTS.map(|text| refused(text, 400, "InvalidRequestException"));
        assert_eq!(exists, Refusal::AlreadyMapped);
        assert_eq!(no_mapping, Refusal::NotMapped);
        assert!(matches!(no_studio, Refusal::NoStudio(_)), "{no_studio}");
        assert!(matches!(invalid, Refusal::InvalidIdentity(_)), "{invalid}");
    }

    #[test]
    fn a_call_that_was_not_made_for_want_of_time_is_told_from_one_that_failed() {
        assert!(Refusal::Other(CallError::no_time("GetStudioSessionMapping")).is_no_time());
        for kind in [Kind::Transient, Kind::NoKey, Kind::Denied, Kind::Refused] {
            let failed = CallError::new("GetStudioSessionMapping", kind, "no");
            assert!(!Refusal::Other(failed).is_no_time(), "{kind:?}");
        }
        assert!(!Refusal::NotMapped.is_no_time());
    }

    #[test]
    fn where_a_fault_lies_behind_it_no_text_tells_anything() {
        for text in TEXTS {
            for (status, code) in [
                (500, "InternalFailure"),
                (503, "InvalidRequestException"),
                (429, "TooManyRequestsException"),
                (400, "ThrottlingException"),
            ] {
                let refusal = refused(text, status, code);
                assert!(matches!(refusal, Refusal::Other(_)), "{text} {status}");
                assert!(refusal.is_transient(), "{text} {status}");
            }
            let refusal = refused(text, 403, "AccessDeniedException");
            assert!(matches!(refusal, Refusal::Other(_)), "{text}");
            assert!(!refusal.is_transient(), "{text}");
        }
    }
}
