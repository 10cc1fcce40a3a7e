//! Where a command works, for people to see before anything is done; and whether
//! anybody answers there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hyper::Uri;
use serde_json::{Value, json};

use super::credentials;
use super::output::remark;
use crate::aws::{self, Call, CallError, Service};
use crate::policy::{Table, resolve};
use crate::visible;

pub(super) const EMR: Service = Service {
    name: "elasticmapreduce",
    target: "ElasticMapReduce",
    id: "EMR",
};
pub(super) const IDENTITY_STORE: Service = Service {
    name: "identitystore",
    target: "AWSIdentityStore",
    id: "identitystore",
};
pub(super) const STS: Service = Service {
    name: "sts",
    target: "",
    id: "STS",
};
/// So long STS has to say whose credentials they are: that is good to know, and
/// nothing needs it.
const SOON: Duration = Duration::from_secs(1);
/// And so long, where nothing is done without.
const NEEDED: Duration = Duration::from_secs(10);
/// As long as any call; and like any, it is made again if that may help.
const KNOCK: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_secs(1);
/// Every service that a command may ask, as settings call it.
const ALL: [&str; 10] = [
    "STS",
    "EMR",
    "identitystore",
    "Lambda",
    "CloudFormation",
    "CloudWatch Logs",
    "IAM",
    "EventBridge",
    "CloudTrail",
    "CloudWatch",
];

/// The account of the credentials; none, where STS is out of reach or does not say.
///
/// # Errors
/// If they are no credentials, or it is not STS that answers.
pub(super) async fn account(
    sdk: &SdkConfig,
    profile: Option<&str>,
    is_needed: bool,
) -> Result<Option<String>, String> {
    let longest = if is_needed { NEEDED } else { SOON };
    let settings = aws_sdk_sts::config::Builder::from(sdk).timeout_config(aws::timeouts(longest));
    let sts = aws_sdk_sts::Client::from_conf(settings.build());
    let ask = || tokio::time::timeout(longest, sts.get_caller_identity().send());
    let mut answer = ask().await;
    if let Ok(Err(error)) = &answer
        && not_of_aws(error).is_some_and(|answer| answer.status().is_server_error())
    {
        tokio::time::sleep(AGAIN).await;
        answer = ask().await;
    }
    let error = match answer {
        Err(_) => return Ok(None),
        Ok(Ok(who)) => return Ok(who.account().map(str::to_owned)),
        Ok(Err(error)) => error,
    };
    if let (Some(_), Some(url)) = (not_of_aws(&error), STS.configured(sdk)) {
        return Err(not_aws(STS, &url).into());
    }
    let error = CallError::of("GetCallerIdentity", &error);
    match credentials::refused(&error.text, profile) {
        Some(refused) => Err(refused),
        None => Ok(None),
    }
}

/// An error answer that is not STS's own.
fn not_of_aws<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&HttpResponse> {
    let answer = match error {
        SdkError::ServiceError(answer) if answer.err().code().is_none() => answer.raw(),
        SdkError::ResponseError(answer) => answer.raw(),
        _ => return None,
    };
    (!is_of_aws(answer)).then_some(answer)
}

/// Whether credentials are any good, where STS does not say: any other service refuses
/// those that are not.
///
/// # Errors
/// If they are refused.
pub(super) async fn are_taken(sdk: &SdkConfig, profile: Option<&str>) -> Result<(), String> {
    let (timeouts, tally) = (aws::timeouts(SOON), Arc::default());
    let call = Call::new(EMR, "ListStudios", sdk, timeouts, &tally);
    let Ok(Err(error)) = tokio::time::timeout(SOON, call.send(json!({}))).await else {
        return Ok(());
    };
    match credentials::refused(&error.text, profile) {
        Some(refused) => Err(refused),
        None => Ok(()),
    }
}

/// What keeps every command from working, and the cure: a service that is not where it
/// is looked for, or a setting that leads nowhere.
#[derive(Debug)]
pub(super) struct Astray {
    pub(super) what: String,
    pub(super) cure: String,
}

impl From<Astray> for String {
    fn from(Astray { what, cure }: Astray) -> String {
        format!("{what}; {cure}")
    }
}

/// Whether a Region that was given can be one.
///
/// # Errors
/// If not.
pub(super) fn is_region(given: &str, place: &str) -> Result<(), Astray> {
    if resolve::is_region(given) {
        return Ok(());
    }
    let meant = given.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    Err(Astray {
        what: format!("{place}: {} is not a Region", visible::quoted(given)),
        cure: match resolve::is_region(&meant) {
            true => format!("did you mean {meant}?"),
            false => "one looks like eu-west-1".to_owned(),
        },
    })
}

/// Whether what is configured in place of AWS's own endpoints can be one.
///
/// # Errors
/// If not.
pub(super) fn are_urls(sdk: &SdkConfig) -> Result<(), Astray> {
    for id in ALL {
        let service = Service { id, ..EMR };
        let Some(url) = service.configured(sdk) else {
            continue;
        };
        let parsed = url.parse::<Uri>().ok();
        let scheme = parsed.as_ref().and_then(Uri::scheme_str);
        if !matches!(scheme, Some("http" | "https")) {
            let url = visible::quoted(&url);
            return Err(Astray {
                what: format!("{url}, where {id} should be, is not a URL (https://…)"),
                cure: configure(service),
            });
        }
    }
    Ok(())
}

/// Whether a service answers at all, whatever it says: nothing is asked of it. Only
/// where it was configured to be elsewhere than AWS, a page for people is no answer.
///
/// # Errors
/// If it does not: every call would say so.
pub(super) async fn knock(service: Service, sdk: &SdkConfig) -> Result<(), Astray> {
    let write = |_| {
        let mut request = HttpRequest::empty();
        request.set_uri("/")?;
        Ok(request)
    };
    let knock = Call::in_words(
        service,
        "knock",
        sdk,
        aws::timeouts(KNOCK),
        None,
        write,
        |response| Ok(json!(strange(response))),
    );
    let id = service.id;
    let tell = || remark("note:", &format!("waiting for {id} to answer"));
    let answer = credentials::awaited(twice(&knock), tell).await;
    let configured = service.configured(sdk);
    let cause = match (answer, &configured) {
        (Some(Ok(Value::Number(_))), Some(url)) => {
            return match answers_a_call(service, sdk).await {
                true => Ok(()),
                false => Err(not_aws(service, url)),
            };
        }
        (Some(Ok(_)), _) => return Ok(()),
        (Some(Err(error)), _) => error.text,
        (None, _) => "it takes too long".to_owned(),
    };
    let causes = cause.rsplit_once("(Connect): ");
    let cause = causes.map_or(cause.as_str(), |(_, cause)| cause);
    let url = service.endpoint(sdk);
    Err(Astray {
        what: format!("{id} does not answer at {url}: {cause}"),
        cure: match configured {
            Some(_) => configure(service),
            None => format!(
                "see that {} is the right Region (--region, AWS_REGION), and the network",
                region(sdk)
            ),
        },
    })
}

/// Whether what writes pages for people answers a call all the same: moto's server does,
/// as an identity store.
async fn answers_a_call(service: Service, sdk: &SdkConfig) -> bool {
    if service.id != IDENTITY_STORE.id {
        return false;
    }
    let timeouts = aws::timeouts(KNOCK);
    let call = Call::new(service, "ListUsers", sdk, timeouts, &Arc::default());
    let input = json!({ "IdentityStoreId": "d-0000000000", "MaxResults": 1 });
    match call.send(input).await {
        Ok(answer) => answer.is_object(),
        Err(error) => !error.is_transient(),
    }
}

/// A knock, and a second one where the first may have come at a bad moment.
async fn twice(knock: &Call) -> Result<Value, CallError> {
    let first = knock.send(Value::Null).await;
    match &first {
        Ok(status) if status.as_u64().is_none_or(|status| status < 500) => return first,
        Err(error) if !error.text.contains("timed out") => return first,
        _ => {}
    }
    tokio::time::sleep(AGAIN).await;
    knock.send(Value::Null).await
}

fn not_aws(service: Service, url: &str) -> Astray {
    Astray {
        what: format!(
            "{url}, where {} should be, answers, but not as AWS does",
            service.id
        ),
        cure: configure(service),
    }
}

/// By what a service was configured to be elsewhere, in the order in which the SDK
/// looks.
fn configure(service: Service) -> String {
    let id = service.id.replace(' ', "_").to_uppercase();
    let variables = [
        format!("AWS_ENDPOINT_URL_{id}"),
        "AWS_ENDPOINT_URL".to_owned(),
    ];
    let set = variables
        .iter()
        .find(|name| std::env::var_os(name).is_some());
    match set {
        Some(variable) => format!("correct {variable}, or unset it"),
        None => "correct endpoint_url in the profile".to_owned(),
    }
}

/// The status of an answer that is a web server's own: AWS writes no pages, and says of
/// a fault of its own which it is.
fn strange(response: &HttpResponse) -> Option<u16> {
    let kind = response.headers().get("content-type").unwrap_or_default();
    let is_text = ["text/html", "text/plain"]
        .iter()
        .any(|one| kind.starts_with(one));
    let status = response.status();
    let is_page = is_text && (status.is_success() || status.is_client_error());
    ((is_page || status.is_server_error()) && !is_of_aws(response)).then_some(status.as_u16())
}

/// Whether an answer bears an id of the request, as all of AWS's do, or the code of an
/// error.
fn is_of_aws(response: &HttpResponse) -> bool {
    let of_aws = |(name, _): (&str, &str)| name.starts_with("x-amz");
    let body = String::from_utf8_lossy(response.body().bytes().unwrap_or_default());
    response.headers().iter().any(of_aws)
        || ["\"__type\"", "<Code>"]
            .iter()
            .any(|one| body.contains(one))
}

/// What ARNs of a Region begin with, after `arn:`.
pub(super) fn partition(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
    ];
    let found = partitions
        .iter()
        .find(|(begin, _)| region.starts_with(begin));
    found.map_or("aws", |(_, partition)| partition)
}

/// One line: account, Region, identity store, endpoints of these services that are not
/// AWS's own.
pub(super) fn line(
    account: Option<&str>,
    sdk: &SdkConfig,
    store: Option<(&str, Option<&str>)>,
    services: &[Service],
    table: Option<&Table>,
) -> String {
    let mut line = format!("account {}, {}", account.unwrap_or("unknown"), region(sdk));
    if let Some((store, in_region)) = store {
        line += &format!(", identity store {store}");
        if let Some(other) = in_region.filter(|other| *other != region(sdk)) {
            line += &format!(" in {other}");
        }
    }
    let endpoints = services.iter().filter_map(|one| one.configured(sdk));
    let endpoints: BTreeSet<String> = endpoints.collect();
    if !endpoints.is_empty() {
        let endpoints: Vec<String> = endpoints.into_iter().collect();
        line += &format!(", at {}", endpoints.join(" and "));
    }
    let studios = table.into_iter().flat_map(|table| &table.studios);
    let others: BTreeSet<&str> = studios.filter_map(|studio| studio.account()).collect();
    if !others.is_empty() {
        let others: Vec<&str> = others.into_iter().collect();
        line += &format!("; Studios in account {} too", others.join(", "));
    }
    line
}

/// The settings of the identity store's Region.
pub(super) fn in_region(sdk: &SdkConfig, region: Option<&str>) -> SdkConfig {
    let region = region.map(|region| Region::new(region.to_owned()));
    let region = region.or_else(|| sdk.region().cloned());
    sdk.to_builder().region(region).build()
}

pub(super) fn region(sdk: &SdkConfig) -> &str {
    sdk.region().map_or("", Region::as_ref)
}
