//! Whether there are credentials, and how to come by some: asked once, before
//! anything else, where every call would fail for want of them.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::output::remark;
use super::whereabouts::Astray;

const SOME: &str = "give a --profile of `aws configure list-profiles`, sign in with `aws sso login`, \
                    or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
/// Whoever waits for longer is told for what.
const SOON: Duration = Duration::from_secs(2);
/// Enough for somebody who has to look for a second factor, or for a browser.
const LONGEST: Duration = Duration::from_secs(30);
/// So long before they expire new ones are got, as the SDK does it.
const BEFORE_EXPIRY: Duration = Duration::from_secs(10);

/// Credentials that are got once, and again only when they expire: getting them may
/// take seconds, or ask somebody for a second factor, and not every call of ours goes
/// through the SDK's own cache.
#[derive(Debug)]
pub(super) struct Kept {
    source: SharedCredentialsProvider,
    last: Mutex<Option<Credentials>>,
}

impl Kept {
    pub(super) fn of(source: SharedCredentialsProvider) -> Self {
        let last = Mutex::new(None);
        Kept { source, last }
    }

    async fn current(&self) -> provider::Result {
        let mut last = self.last.lock().await;
        let soon = SystemTime::now() + BEFORE_EXPIRY;
        let lasts = |one: &&Credentials| one.expiry().is_none_or(|expiry| expiry > soon);
        if let Some(credentials) = last.as_ref().filter(lasts) {
            return Ok(credentials.clone());
        }
        let credentials = self.source.provide_credentials().await?;
        can_be_sent(&credentials).map_err(CredentialsError::invalid_configuration)?;
        Ok(last.insert(credentials).clone())
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

/// What was pasted may have a line's end in it, which no request can have.
fn can_be_sent(credentials: &Credentials) -> Result<(), String> {
    for (name, text) in [
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
        (
            "AWS_SESSION_TOKEN",
            credentials.session_token().unwrap_or_default(),
        ),
    ] {
        let Some(strange) = text.chars().find(|c| !c.is_ascii_graphic()) else {
            continue;
        };
        let strange = strange.escape_unicode();
        let of_variable = std::env::var(name).is_ok_and(|value| value == text);
        let what = match of_variable {
            true => name.to_owned(),
            false => format!("the {}", name[4..].to_lowercase().replace('_', " ")),
        };
        return Err(format!("{what} has {strange} in it: copy it again"));
    }
    Ok(())
}

/// Whether there are any.
///
/// # Errors
/// If not: why, and the cure.
pub(super) async fn found(sdk: &SdkConfig, profile: Option<&str>) -> Result<(), String> {
    let Some(provider) = sdk.credentials_provider() else {
        return Err(format!("there are no credentials: {SOME}"));
    };
    let whose = whose(profile);
    let tell = || remark("note:", &format!("waiting for the credentials{whose}"));
    match awaited(provider.provide_credentials(), tell).await {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(missing(&error, profile).await),
        None => Err(format!(
            "the credentials{whose} do not come, for {} s: see what gives them (the profile's \
             credential_process, or the STS or sign-in behind its role), or {SOME}",
            LONGEST.as_secs()
        )),
    }
}

/// What is waited for: with a word once it takes long, and not for ever.
pub(super) async fn awaited<T>(getting: impl Future<Output = T>, tell: impl FnOnce()) -> Option<T> {
    let mut getting = pin!(getting);
    if let Ok(got) = timeout(SOON, &mut getting).await {
        return Some(got);
    }
    tell();
    timeout(LONGEST - SOON, getting).await.ok()
}

fn whose(profile: Option<&str>) -> String {
    profile.map_or(String::new(), |profile| format!(" of profile {profile}"))
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
    let whose = whose(profile);
    // Before anything else: where nobody has any, the last place asked is EC2's, which
    // few machines have; that it is out of reach, or refuses, is not what is wrong.
    let is_nowhere = matches!(error, CredentialsError::CredentialsNotLoaded(_));
    if is_nowhere || causes.iter().any(|cause| cause.contains("IMDS")) {
        return match profile {
            None => format!("there are no credentials: {SOME}"),
            Some(profile) => {
                let why = of_profile(cause);
                format!("there is no profile {profile} with credentials{why}: {SOME}")
            }
        };
    }
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
    format!("the credentials{whose} are not whole, or cannot be got: {cause}; {SOME}")
}

/// That a profile is not there, if so.
pub(super) async fn no_profile(profile: &str) -> Option<Astray> {
    let profiles = profiles().await?;
    let none = profiles.get_profile(profile).is_none();
    none.then(|| Astray {
        what: format!("there is no profile {profile}"),
        cure: SOME.to_owned(),
    })
}

/// The profiles, if they can be read.
async fn profiles() -> Option<EnvConfigSections> {
    let files = source::load(&Env::real(), &Fs::real(), &EnvConfigFiles::default()).await;
    EnvConfigSections::parse(files.ok()?).ok()
}

/// What is said of the profile, be it among all the places that were looked at.
fn of_profile(cause: &str) -> String {
    let mut lines = cause.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix("Profile: "));
    let line = line.or(cause.lines().next()).unwrap_or_default();
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
    let Some(profiles) = profiles().await else {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_told_once_and_given_up() {
        let began = tokio::time::Instant::now();
        let mut told = Vec::new();
        let got = awaited(std::future::pending::<()>(), || told.push(began.elapsed())).await;
        assert_eq!((got, told), (None, vec![SOON]));
        assert_eq!(began.elapsed(), LONGEST);
    }
}
