//! Whether there are credentials, and how to come by some: asked once, before
//! anything else, where every call would fail for want of them.

use std::collections::BTreeSet;
use std::error::Error;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};

const SOME: &str = "give a --profile of `aws configure list-profiles`, sign in with `aws sso login`, \
                    or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// Whether there are any.
///
/// # Errors
/// If not: why, and the cure.
pub(super) async fn found(sdk: &SdkConfig, profile: Option<&str>) -> Result<(), String> {
    let Some(provider) = sdk.credentials_provider() else {
        return Err(format!("there are no credentials: {SOME}"));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(missing(&error, profile).await),
    }
}

/// What STS says of credentials that are none.
pub(super) fn refused(text: &str, profile: Option<&str>) -> Option<String> {
    let code = text.split(':').next().unwrap_or_default();
    let cure = match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
            let login = login("sso", profile);
            format!("they have expired: `{login}`, or however you got them")
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "AuthFailure" => {
            let whose = match profile {
                Some(profile) => format!("profile {profile}"),
                None => "AWS_ACCESS_KEY_ID, or which profile is used".to_owned(),
            };
            format!("AWS does not know them: see {whose}")
        }
        _ => return None,
    };
    Some(format!("the credentials are refused ({text}): {cure}"))
}

async fn missing(error: &CredentialsError, profile: Option<&str>) -> String {
    let causes = causes(error);
    let all = causes.join(": ").to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    let cause = causes.last().map_or("", String::as_str);
    let cause = cause.trim_end_matches(" Stderr: ");
    let whose = profile.map_or(String::new(), |profile| format!(" of profile {profile}"));
    if says(&["dns error", "connect)", "timed out", "timeout"]) {
        return format!(
            "the credentials{whose} cannot be fetched: {cause}; check the network and the Region"
        );
    }
    if says(&["sso", "access token", "unauthorizedexception"]) {
        let signed_in = signed_in(profile).await;
        let login = login("sso", signed_in.as_deref());
        return format!("the sign-in{whose} has expired, or there is none: `{login}`");
    }
    if says(&["/login/cache/", "login session", "login token"]) {
        let signed_in = signed_in(profile).await;
        let login = login("", signed_in.as_deref());
        return format!("the sign-in{whose} has expired, or there is none: `{login}`");
    }
    match (error, profile) {
        (CredentialsError::CredentialsNotLoaded(_), None) => {
            format!("there are no credentials: {SOME}")
        }
        (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
            let why = of_profile(cause);
            format!("there is no profile {profile} with credentials{why}: {SOME}")
        }
        _ => format!("the credentials{whose} are not whole, or cannot be got: {cause}; {SOME}"),
    }
}

/// What is said of the profile, be it among all the places that were looked at.
fn of_profile(cause: &str) -> String {
    let mut lines = cause.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix("Profile: "));
    let line = line.unwrap_or(cause);
    let none = "the credential provider was not enabled";
    let why = line.strip_prefix(none).unwrap_or(line);
    match why.trim_start_matches(": ") {
        "" => String::new(),
        why => format!(" ({why})"),
    }
}

/// The profile that the credentials of a profile come from: its own name, or that of
/// the one whose role it takes on, and so on.
async fn signed_in(profile: Option<&str>) -> Option<String> {
    let mut name = profile?.to_owned();
    let files = source::load(&Env::real(), &Fs::real(), &EnvConfigFiles::default()).await;
    let Some(profiles) = files
        .ok()
        .and_then(|all| EnvConfigSections::parse(all).ok())
    else {
        return Some(name);
    };
    let mut seen = BTreeSet::new();
    while seen.insert(name.clone()) {
        let source = profiles.get_profile(&name)?.get("source_profile");
        name = source.map_or(name, str::to_owned);
    }
    Some(name)
}

/// The command that signs in.
fn login(how: &str, profile: Option<&str>) -> String {
    let words = ["aws", how, "login"].into_iter();
    let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.extend(profile.map(|_| "--profile"));
    words.extend(profile);
    words.join(" ")
}

/// An error and what led to it, the innermost last.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        causes.push(error.to_string());
        next = error.source();
    }
    causes
}
