//! Who asks, which roles they may be, and whether the session policies are
//! there: STS and IAM.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_sts::Client as Sts;

use super::{AGAIN, Finding, again, knock};
use crate::aws::{CallError, Kind};
use crate::cli::connection::Connected;
use crate::cli::whereabouts::STS;
use crate::policy::Studio;

const NOTHING_ELSE: &str = "; nothing else was asked";

/// The account of the credentials, if they are any good.
pub(super) async fn credentials(sdk: &SdkConfig) -> (Option<String>, Finding) {
    let about = "credentials";
    let answer = Sts::new(sdk).get_caller_identity().send().await;
    match answer {
        Ok(who) => {
            let arn = who.arn().unwrap_or("STS told no ARN");
            let account = who.account().unwrap_or_default().to_owned();
            (Some(account), Finding::ok(about, arn))
        }
        Err(error) => {
            let is_of_sts = error.code().is_some();
            let error = CallError::of("GetCallerIdentity", &error);
            let text = &error.text;
            let was_asked = is_io(text)
                || ["service", "response"]
                    .iter()
                    .any(|one| text.starts_with(one));
            if was_asked
                && !is_of_sts
                && let Some(mut not_there) = knock(STS, sdk, about).await
            {
                not_there.found += NOTHING_ELSE;
                return (None, not_there);
            }
            // Where they were looked for is a long list, and the same each time.
            let why = match text.contains("no credentials found in chain") {
                true => "there are none".to_owned(),
                false => format!("GetCallerIdentity: {text}"),
            };
            let found = why + NOTHING_ELSE;
            (None, Finding::problem(about, found, get_some(&error)))
        }
    }
}

/// Whether STS was out of reach, and not what gives the credentials.
fn is_io(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("io error") && !text.contains("loading credentials")
}

/// How to come by credentials, by what was wrong with those there are.
fn get_some(error: &CallError) -> &'static str {
    let text = error.text.to_ascii_lowercase();
    let says = |word: &str| text.contains(word);
    if error.is_throttled() || is_io(&error.text) {
        again(error)
    } else if says("expired") {
        "they have expired: `aws sso login`, or however you got them"
    } else if says("sso") {
        "`aws sso login`, with --profile if it is not the default one"
    } else if says("invalidclienttokenid") || says("signaturedoesnotmatch") {
        "AWS does not know them: see AWS_ACCESS_KEY_ID, or which profile is used"
    } else {
        "give a --profile of `aws configure list-profiles`, `aws sso login`, or set \
         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    }
}

/// Whether the role of a Studio may be assumed, if it has one.
pub(super) async fn role(sts: &Sts, about: &str, studio: &Studio) -> Option<Finding> {
    let role = studio.role_arn.as_deref()?;
    let answer = sts
        .assume_role()
        .role_arn(role)
        .role_session_name("emr-studio-sync")
        .set_external_id(studio.external_id.clone())
        .send()
        .await;
    Some(match answer {
        Ok(_) => Finding::ok(about, format!("{role} may be assumed")),
        Err(error) => {
            let error = CallError::of("AssumeRole", &error);
            let found = format!("{role} may not be assumed: {}", error.text);
            let external_id = match &studio.external_id {
                Some(_) => "with the table's external_id",
                None => "or give the external_id it asks for in the table",
            };
            let cure = match error.kind {
                Kind::Denied => format!(
                    "allow sts:AssumeRole on it, and let its trust policy name the caller, {external_id}"
                ),
                _ => again(&error).to_owned(),
            };
            Finding::problem(about, found, cure)
        }
    })
}

/// Whether the session policies of the table are there.
pub(super) async fn session_policies(
    sdk: &SdkConfig,
    connected: &Connected,
    caller: &str,
) -> Vec<Finding> {
    let table = connected.engine.table();
    let iam = aws_sdk_iam::Client::new(sdk);
    let given: BTreeSet<&String> = table.rules.iter().map(|one| &one.session_policy).collect();
    let of_studios = table.studios.iter().flat_map(|one| &one.session_policies);
    let all: BTreeSet<&String> = of_studios.chain(given.iter().copied()).collect();
    let mut findings = Vec::new();
    for arn in all {
        let about = format!("session policy {}", connected.words.alias(arn));
        // arn:aws:iam::<account, or aws>:policy/…
        let owner = arn.split(':').nth(4).unwrap_or_default();
        if owner != caller && owner != "aws" {
            let found = format!("not told: {arn} is another account's than {caller}");
            let cure = format!("to have it looked at, use credentials of {owner}");
            findings.push(Finding::warning(&about, found, cure));
            continue;
        }
        let answer = iam.get_policy().policy_arn(arn).send().await;
        findings.push(match answer {
            Ok(answer) if answer.policy().is_some() => {
                Finding::ok(about, format!("{arn} is there"))
            }
            Ok(_) => Finding::warning(&about, "not told: GetPolicy told no policy", AGAIN),
            Err(error) if error.code() == Some("NoSuchEntity") => {
                let found = format!("{arn} is not there");
                match given.contains(arn) {
                    true => {
                        Finding::problem(&about, found, "make it, or correct its ARN in the table")
                    }
                    // It marks what is left to delete, and gives nobody anything.
                    false => Finding::warning(
                        &about,
                        found,
                        "take it out of retired_policies once no mapping has it",
                    ),
                }
            }
            Err(error) => Finding::not_told(&about, "iam", &CallError::of("GetPolicy", &error)),
        });
    }
    findings
}
