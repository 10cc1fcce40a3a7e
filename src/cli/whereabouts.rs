//! Where a command works, for people to see before anything is done; and whether
//! anybody answers there.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::SdkError;
use serde_json::Value;

use super::credentials;
use crate::aws::{self, Call, CallError, Service};
use crate::policy::Table;

pub(super) const EMR: Service = Service {
    name: "elasticmapreduce",
    target: "",
    id: "EMR",
};
pub(super) const IDENTITY_STORE: Service = Service {
    name: "identitystore",
    target: "",
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
const KNOCK: Duration = Duration::from_secs(4);

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
    let asking = sts.get_caller_identity().send();
    let error = match tokio::time::timeout(longest, asking).await {
        Err(_) => return Ok(None),
        Ok(Ok(who)) => return Ok(who.account().map(str::to_owned)),
        Ok(Err(error)) => error,
    };
    let is_aws = match &error {
        SdkError::ServiceError(answer) => {
            answer.err().meta().code().is_some() || answer.raw().status().is_server_error()
        }
        SdkError::ResponseError(answer) => answer.raw().status().is_server_error(),
        _ => true,
    };
    match STS.configured(sdk) {
        Some(url) if !is_aws => {
            return Err(not_aws(STS, &url).into());
        }
        _ => {}
    }
    let error = CallError::of("GetCallerIdentity", &error);
    match credentials::refused(&error.text, profile) {
        Some(refused) => Err(refused),
        None => Ok(None),
    }
}

/// That a service is not where it is looked for, and the cure.
#[derive(Debug)]
pub(super) struct NotThere {
    pub(super) what: String,
    pub(super) cure: String,
}

impl From<NotThere> for String {
    fn from(NotThere { what, cure }: NotThere) -> String {
        format!("{what}; {cure}")
    }
}

/// Whether a service answers at all, whatever it says: nothing is asked of it. Only
/// where it was configured to be elsewhere than AWS, a page for people is no answer.
///
/// # Errors
/// If it does not: every call would say so.
pub(super) async fn knock(service: Service, sdk: &SdkConfig) -> Result<(), NotThere> {
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
        |response| Ok(Value::Bool(is_page(response))),
    );
    let (answer, configured) = (knock.send(Value::Null).await, service.configured(sdk));
    let error = match (answer, &configured) {
        (Ok(Value::Bool(true)), Some(url)) => {
            return Err(not_aws(service, url));
        }
        (Ok(_), _) => return Ok(()),
        (Err(error), _) => error,
    };
    let causes = error.text.rsplit_once("(Connect): ");
    let cause = causes.map_or(error.text.as_str(), |(_, cause)| cause);
    let (url, id) = (service.endpoint(sdk), service.id);
    Err(NotThere {
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

fn not_aws(service: Service, url: &str) -> NotThere {
    NotThere {
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

/// Whether an answer is a web server's own: AWS puts an id of the request into each,
/// and writes no pages. What a server on the way says for it may pass.
fn is_page(response: &HttpResponse) -> bool {
    let of_aws = |(name, _): (&str, &str)| name.starts_with("x-amz");
    let kind = response.headers().get("content-type").unwrap_or_default();
    let is_text = ["text/html", "text/plain"]
        .iter()
        .any(|one| kind.starts_with(one));
    let status = response.status();
    is_text
        && (status.is_success() || status.is_client_error())
        && !response.headers().iter().any(of_aws)
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
