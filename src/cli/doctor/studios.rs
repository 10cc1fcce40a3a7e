//! Whether a Studio is there, can have mappings, and lets them be read.

use super::directory::nobody;
use super::{AGAIN, Finding};
use crate::aws::Kind;
use crate::cli::connection::no_deadline;
use crate::cli::words::counted;
use crate::identity::Identity;
use crate::plan::Mappings;
use crate::studio::{OPEN, Refusal, SSO, Studio};

pub(super) async fn calls(about: &str, studio: &Studio) -> Vec<Finding> {
    let deadline = no_deadline();
    let mut is_open = false;
    let described = match studio.describe(deadline).await {
        Ok(described) if described.auth_mode.as_deref() == Some(SSO) => {
            is_open = described.is_open();
            let found = format!("{} is there, and people sign in with SSO", described.id);
            Finding::ok(about, found)
        }
        Ok(described) => match described.auth_mode.as_deref() {
            Some(other) => {
                // It has no mappings to ask for.
                return vec![Finding::problem(
                    about,
                    format!("people sign in to {} with {other}", described.id),
                    "only a Studio with AuthMode SSO has session mappings: make one, or take this \
                     one out of the table",
                )];
            }
            None => Finding::warning(about, "DescribeStudio told no AuthMode", AGAIN),
        },
        Err(Refusal::Other(error)) if error.kind == Kind::Denied => {
            // The engine goes on without.
            Finding::not_told(about, SERVICE, &error)
        }
        // It is said no better by each of the others.
        Err(refusal) => return vec![refused(about, refusal)],
    };
    let mappings = studio.mappings(deadline).await;
    let somebody = mappings.as_ref().ok().and_then(somebody);
    let somebody = somebody.or_else(|| nobody().map(Identity::user));
    let mut findings = vec![described];
    if is_open {
        findings.push(Finding::warning(about, OPEN, MADE_SO));
    }
    findings.push(match mappings {
        Ok(mappings) => Finding::ok(
            about,
            format!(
                "ListStudioSessionMappings is permitted; {}",
                counted(mappings.len(), "mapping")
            ),
        ),
        Err(refusal) => refused(about, refusal),
    });
    if let Some(somebody) = somebody {
        findings.push(match studio.mapping(&somebody, deadline).await {
            // That nobody is mapped, or known, is an answer too.
            Ok(_) | Err(Refusal::InvalidIdentity(_)) => {
                Finding::ok(about, "GetStudioSessionMapping is permitted")
            }
            Err(refusal) => refused(about, refusal),
        });
    }
    findings
}

const MADE_SO: &str = "make a Studio with IdcUserAssignment REQUIRED: it cannot be changed later";

const SERVICE: &str = "elasticmapreduce";

fn somebody(mappings: &Mappings) -> Option<Identity> {
    mappings.keys().next().cloned()
}

fn refused(about: &str, refusal: Refusal) -> Finding {
    let otherwise = "check the Studio's id, region and role_arn in the table";
    match refusal {
        Refusal::NoStudio(error) | Refusal::InvalidIdentity(error) | Refusal::Other(error) => {
            Finding::needed(about, SERVICE, &error, otherwise)
        }
        other => Finding::problem(about, other.to_string(), otherwise),
    }
}
