//! Why a call failed, and what that means for us.

use std::error::Error as StdError;
use std::fmt;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::shortened;
use crate::visible;

/// Why a call failed, and whether it may succeed another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The operation.
    pub call: &'static str,
    /// What the failure means for us.
    pub kind: Kind,
    /// The error in words, with its code where it has one.
    pub text: String,
    throttled: bool,
}

/// What a failed call means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was not made: there was no time left.
    NoTime,
    /// It failed for a reason that may pass: throttling, a fault of the
    /// service, the network, an answer that was broken. It has been retried.
    Transient,
    /// The key that Identity Center's data is encrypted with could not be used.
    /// That says nothing of what was asked about, and passes when somebody sees
    /// to the key.
    NoKey,
    /// The caller may not make it.
    Denied,
    /// The service said no, and will again.
    Refused,
    /// The service said that this user is not there.
    NoUser,
    /// The service said that this group is not there.
    NoGroup,
}

impl Kind {
    /// What somebody can do about it, where the kind alone tells.
    pub fn cure(self) -> Option<&'static str> {
        match self {
            Kind::Denied => Some("allow it in the role's policy"),
            Kind::NoKey => Some(
                "the key of Identity Center cannot be used: see that it is enabled, that the \
                 role has kms:Decrypt on it, and that the key's policy lets the role use it \
                 (kms:ViaService identitystore and sso)",
            ),
            Kind::NoTime | Kind::Transient | Kind::Refused | Kind::NoUser | Kind::NoGroup => None,
        }
    }
}

impl CallError {
    /// A call that failed so.
    pub fn new(call: &'static str, kind: Kind, text: impl Into<String>) -> CallError {
        CallError {
            call,
            kind,
            text: shortened(in_one_line(&text.into())),
            throttled: false,
        }
    }

    /// A call not made for want of time.
    pub fn no_time(call: &'static str) -> CallError {
        CallError::new(call, Kind::NoTime, "the time of this invocation was up")
    }

    /// An answer that cannot be what it says it is.
    pub fn malformed(call: &'static str, text: impl Into<String>) -> CallError {
        CallError::new(call, Kind::Transient, text)
    }

    /// What the SDK says of a failed call.
    pub fn of<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let SdkError::ServiceError(service) = error else {
            // Timeouts, connections, answers that broke off, and credentials
            // that could not be had. Only a role that may not be assumed will
            // not pass.
            let mut text = chain(error);
            let kind = match text.contains("AccessDenied") {
                true => Kind::Denied,
                false => Kind::Transient,
            };
            // Something between here and AWS opens what is encrypted, as in many a
            // company: the AWS CLI's variable for that is not read.
            if text.contains("invalid peer certificate: UnknownIssuer") {
                text += " (if the network has an authority of its own, SSL_CERT_FILE is for \
                         the file of its certificate)";
            }
            return CallError::new(call, kind, text);
        };
        let status = service.raw().status().as_u16();
        let meta = service.err().meta();
        let text = match (meta.code(), meta.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => format!("{} (HTTP status {status})", chain(error)),
        };
        CallError {
            throttled: is_throttling(status, meta.code(), meta.message()),
            ..CallError::new(call, classify(status, meta.code(), meta.message()), text)
        }
    }

    /// The same failure, where one knows better what it means.
    pub(crate) fn meaning(self, kind: Kind) -> CallError {
        CallError { kind, ..self }
    }

    /// Whether it failed for a reason that may pass.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::NoTime | Kind::Transient | Kind::NoKey)
    }

    /// Whether there were too many calls for the service.
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.call, self.text)?;
        match self.kind.cure() {
            Some(cure) => write!(f, " ({cure})"),
            None => Ok(()),
        }
    }
}

/// Some of what others say is on several lines, and may quote names.
fn in_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    visible::line(&words.join(" "))
}

/// An error and what led to it, in their own words. Never its debug form, which
/// quotes the whole answer: names of people are in there.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

/// What an error answer means, going by its HTTP status, its code, and its
/// message where that tells more than the code. That somebody is not there is
/// never among it: no text is proof of that.
pub fn classify(status: u16, code: Option<&str>, message: Option<&str>) -> Kind {
    let Some(code) = code.map(bare) else {
        // It says not even which error it is: its body was unreadable.
        return Kind::Transient;
    };
    let cause = Cause::behind(code, message);
    let passes = status >= 500
        || is_passing(code)
        || cause.as_ref().is_some_and(Cause::passes)
        || is_throttling(status, Some(code), message);
    if passes {
        Kind::Transient
    } else if is_denial(code) || cause.is_some_and(|cause| cause.denies()) {
        Kind::Denied
    } else {
        Kind::Refused
    }
}

/// Whether an error answer means that there were too many calls.
pub(super) fn is_throttling(status: u16, code: Option<&str>, message: Option<&str>) -> bool {
    let code = code.map(bare).unwrap_or_default();
    let cause = Cause::behind(code, message);
    status == 429 || is_throttle(code) || cause.is_some_and(|cause| cause.throttles())
}

/// What lies behind an InvalidRequestException of EMR, which comes as HTTP 400
/// whatever went wrong behind EMR. Its message tells, and a tail like
/// `(Service: AWSEditors; Status Code: 500; Error Code: InternalFailure;
/// Request ID: …; Proxy: null)`.
struct Cause<'a> {
    message: &'a str,
    status: Option<u16>,
    code: Option<&'a str>,
}

impl<'a> Cause<'a> {
    fn behind(code: &str, message: Option<&'a str>) -> Option<Cause<'a>> {
        let message = message?;
        if !matches!(code, "InvalidRequestException" | "InvalidRequest") {
            return None;
        }
        // Where there are several tails, the last is EMR's own.
        let (status, code) = message
            .rsplit('(')
            .map(tail)
            .find(|(status, code)| status.is_some() || code.is_some())
            .unwrap_or_default();
        Some(Cause {
            message,
            status,
            code,
        })
    }

    fn throttles(&self) -> bool {
        let text = self.message.to_ascii_lowercase();
        self.status == Some(429)
            || self.code.is_some_and(is_throttle)
            || text.contains("rate exceeded")
            || text.contains("throttl")
    }

    fn passes(&self) -> bool {
        self.status.is_some_and(|status| status >= 500) || self.code.is_some_and(is_passing)
    }

    fn denies(&self) -> bool {
        matches!(self.status, Some(401 | 403))
            || self.code.is_some_and(is_denial)
            || self.message.contains("not authorized to perform")
    }
}

/// The status and the code in a tail, in whatever order and spacing. Another
/// generation of AWS's clients puts commas where this one puts semicolons.
fn tail(text: &str) -> (Option<u16>, Option<&str>) {
    let inside = text.split(')').next().unwrap_or(text);
    let (mut status, mut code) = (None, None);
    for field in inside.split([';', ',']) {
        let Some((name, value)) = field.split_once(':') else {
            continue;
        };
        let name: String = name.split_whitespace().collect();
        match name.to_ascii_lowercase().as_str() {
            "statuscode" => status = value.trim().parse().ok(),
            "errorcode" => code = Some(bare(value.trim())),
            _ => {}
        }
    }
    (status, code)
}

/// A code without the namespace that some services put before it.
fn bare(code: &str) -> &str {
    code.rsplit('#').next().unwrap_or(code)
}

fn is_throttle(code: &str) -> bool {
    THROTTLING_ERRORS.contains(&code)
}

fn is_denial(code: &str) -> bool {
    code.contains("AccessDenied")
}

/// Codes of faults that pass, whatever HTTP status they come with. Credentials
/// that have expired, or are not known everywhere yet, are soon replaced.
fn is_passing(code: &str) -> bool {
    TRANSIENT_ERRORS.contains(&code)
        || [
            "InternalServerError",
            "InternalServerException",
            "InternalFailure",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidSignatureException",
            "RequestExpired",
            "RequestTimeTooSkewed",
            "UnrecognizedClientException",
        ]
        .contains(&code)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    /// A message with the tail that EMR puts after it.
    fn tailed(text: &str, status: &str, code: &str) -> String {
        format!(
            "{text} (Service: AWSEditors; Status Code: {status}; Error Code: {code}; \
             Request ID: 0c1d2e3f-0000-4000-8000-000000000001; Proxy: null)"
        )
    }

    /// What an InvalidRequestException with this message means.
    fn wrapped(message: &str) -> Kind {
        let code = Some("InvalidRequestException");
        let kind = classify(400, code, Some(message));
        assert_eq!(classify(400, Some("InvalidRequest"), Some(message)), kind);
        let namespaced = Some("com.amazonaws.emr#InvalidRequestException");
        assert_eq!(classify(400, namespaced, Some(message)), kind);
        kind
    }

    fn throttles(message: &str) -> bool {
        is_throttling(400, Some("InvalidRequestException"), Some(message))
    }

    #[test]
    fn a_certificate_of_an_unknown_authority_is_told_with_its_cure() {
        let told = |text: &str| {
            let error = ConnectorError::io(text.into());
            let failed: SdkError<ErrorMetadata, HttpResponse> = SdkError::dispatch_failure(error);
            CallError::of("GetUserId", &failed)
        };
        let unknown = told("TLS handshake failed: invalid peer certificate: UnknownIssuer");
        assert!(unknown.is_transient());
        assert!(unknown.text.contains("SSL_CERT_FILE"), "{unknown}");
        assert!(!told("connection refused").text.contains("SSL_CERT_FILE"));
    }

    #[test]
    fn an_error_means_what_its_status_and_its_code_say() {
        use Kind::{Denied, Refused, Transient};
        for (status, code, kind) in [
            (400, Some("ThrottlingException"), Transient),
            (400, Some("Throttling"), Transient),
            (400, Some("RequestLimitExceeded"), Transient),
            (400, Some("RequestTimeout"), Transient),
            (400, Some("InternalServerError"), Transient),
            (400, Some("InternalServerException"), Transient),
            (403, Some("ExpiredTokenException"), Transient),
            (400, Some("UnrecognizedClientException"), Transient),
            (403, Some("InvalidSignatureException"), Transient),
            (500, Some("InternalServerException"), Transient),
            (503, Some("ServiceUnavailableException"), Transient),
            (500, Some("AccessDeniedException"), Transient),
            (500, Some("InvalidRequestException"), Transient),
            (429, Some("Whatever"), Transient),
            (500, None, Transient),
            (502, None, Transient),
            (400, None, Transient),
            (403, None, Transient),
            (400, Some("AccessDeniedException"), Denied),
            (403, Some("AccessDenied"), Denied),
            (
                400,
                Some("com.amazon.coral.service#AccessDeniedException"),
                Denied,
            ),
            (400, Some("ValidationException"), Refused),
            (400, Some("InvalidRequestException"), Refused),
            (404, Some("ResourceNotFoundException"), Refused),
            (400, Some("ResourceNotFoundException"), Refused),
            (403, Some("SignatureDoesNotMatch"), Refused),
            (400, Some(""), Refused),
            (0, Some("Nothing"), Refused),
        ] {
            for message in [None, Some("An error occurred.")] {
                assert_eq!(classify(status, code, message), kind, "{status} {code:?}");
            }
        }
    }

    #[test]
    fn an_invalid_request_means_what_lies_behind_it() {
        use Kind::{Denied, Refused, Transient};
        let own = "InvalidRequestException";
        for (message, kind) in [
            // EMR's own refusals.
            (
                tailed("Studio session mapping does not exist", "400", own),
                Refused,
            ),
            (
                tailed("Studio session mapping already exists.", "400", own),
                Refused,
            ),
            (tailed("Studio does not exist", "400", own), Refused),
            (tailed("IdentityId is invalid", "400", own), Refused),
            (
                tailed("Something nobody published", "404", "NotFound"),
                Refused,
            ),
            ("Studio session mapping does not exist".to_owned(), Refused),
            (String::new(), Refused),
            // Faults behind it, whatever the text says.
            (
                tailed("Studio session mapping does not exist", "500", own),
                Transient,
            ),
            (tailed("Studio does not exist", "503", "null"), Transient),
            (
                tailed("Studio session mapping already exists.", "599", ""),
                Transient,
            ),
            (
                tailed("An error occurred", "400", "InternalFailure"),
                Transient,
            ),
            (
                tailed("An error occurred", "400", "ServiceUnavailableException"),
                Transient,
            ),
            (
                tailed("An error occurred", "400", "RequestTimeout"),
                Transient,
            ),
            (
                tailed("The token expired", "403", "ExpiredTokenException"),
                Transient,
            ),
            // Throttling behind it.
            (tailed("Slower", "429", "null"), Transient),
            (tailed("Slower", "400", "ThrottlingException"), Transient),
            (
                tailed("Slower", "400", "TooManyRequestsException"),
                Transient,
            ),
            (tailed("Rate exceeded", "400", own), Transient),
            ("Rate exceeded".to_owned(), Transient),
            ("Throttling: rate exceeded.".to_owned(), Transient),
            ("Request was throttled".to_owned(), Transient),
            (
                tailed(
                    "is not authorized to perform: sso:X; Rate exceeded",
                    "403",
                    own,
                ),
                Transient,
            ),
            // Permissions that lack behind it.
            (tailed("An error occurred", "403", "null"), Denied),
            (
                tailed("An error occurred", "401", "UnauthorizedException"),
                Denied,
            ),
            (
                tailed("An error occurred", "400", "AccessDeniedException"),
                Denied,
            ),
            (tailed("An error occurred", "400", "AccessDenied"), Denied),
            (
                tailed(
                    "User: arn:aws:sts::1:x is not authorized to perform: sso:X",
                    "400",
                    own,
                ),
                Denied,
            ),
            (
                "is not authorized to perform: sso:GetProfile".to_owned(),
                Denied,
            ),
            (
                tailed("Studio session mapping does not exist", "403", own),
                Denied,
            ),
        ] {
            assert_eq!(wrapped(&message), kind, "{message}");
        }
    }

    #[test]
    fn a_tail_is_read_in_any_order_and_spacing_and_the_last_one_counts() {
        use Kind::{Refused, Transient};
        for (message, kind) in [
            ("No (Status Code: 500)", Transient),
            ("No (Status Code:500)", Transient),
            ("No(status  CODE :  500 ;Service:AWSEditors)", Transient),
            (
                "No (Error Code: InternalFailure; Status Code: 400)",
                Transient,
            ),
            ("No (Error Code: aws#InternalFailure)", Transient),
            (
                "No (Service: Sso, Status Code: 500, Request ID: 1)",
                Transient,
            ),
            (
                "No (Service: Sso, Status Code: 500) (SDK Attempt Count: 1)",
                Transient,
            ),
            ("No (Service: AWSEditors; Status Code: 500", Transient),
            (
                "No (Status Code: 500; Error Code: X (Y); Proxy: null)",
                Transient,
            ),
            ("(Status Code: 400) (Status Code: 500)", Transient),
            ("(Status Code: 500) (Status Code: 400)", Refused),
            (
                "(Error Code: InternalFailure) (Service: A; Status Code: 400)",
                Refused,
            ),
            ("No (Status Code: many)", Refused),
            ("No (Status Code: 70000)", Refused),
            ("No (Status Code: -500)", Refused),
            ("No (Status: 500)", Refused),
            ("No (StatusCode 500)", Refused),
            ("No 500", Refused),
            ("((((((", Refused),
            ("))));;;;::::", Refused),
        ] {
            assert_eq!(wrapped(message), kind, "{message}");
        }
    }

    #[test]
    fn only_an_invalid_request_is_looked_behind() {
        for message in [
            tailed("No", "500", "InternalFailure"),
            tailed("No", "403", "AccessDenied"),
            "Rate exceeded".to_owned(),
            "is not authorized to perform".to_owned(),
        ] {
            for code in [
                "ValidationException",
                "ResourceNotFoundException",
                "Invalid",
            ] {
                let kind = classify(400, Some(code), Some(&message));
                assert_eq!(kind, Kind::Refused, "{code}: {message}");
                assert!(!is_throttling(400, Some(code), Some(&message)));
            }
        }
    }

    #[test]
    fn throttling_is_told_from_other_faults() {
        assert!(is_throttling(429, None, None));
        assert!(is_throttling(400, Some("aws#ThrottlingException"), None));
        assert!(!is_throttling(
            500,
            Some("InternalServerError"),
            Some("Rate exceeded")
        ));
        assert!(throttles(&tailed("Slower", "429", "null")));
        assert!(throttles(&tailed("Slower", "400", "Throttling")));
        assert!(throttles("Rate exceeded"));
        assert!(!throttles(&tailed("Broken", "500", "InternalFailure")));
        assert!(!throttles(&tailed("Studio does not exist", "400", "null")));
    }

    #[test]
    fn what_the_service_says_is_told_in_its_own_words_with_its_code() {
        let failed = |code: Option<&str>, message: Option<&str>| {
            let mut error = ErrorMetadata::builder();
            if let Some(code) = code {
                error = error.code(code);
            }
            if let Some(message) = message {
                error = error.message(message);
            }
            let status = StatusCode::try_from(400).unwrap();
            let answer = HttpResponse::new(status, SdkBody::empty());
            CallError::of("Get", &SdkError::service_error(error.build(), answer))
        };
        let slower = failed(Some("ThrottlingException"), Some("Slower"));
        assert_eq!(slower.text, "ThrottlingException: Slower");
        assert!(slower.is_throttled() && slower.is_transient());
        let denied = failed(Some("AccessDeniedException"), None);
        assert_eq!(denied.text, "AccessDeniedException");
        assert!(!denied.is_throttled() && !denied.is_transient());
        let nameless = failed(None, None);
        assert!(nameless.text.ends_with("(HTTP status 400)"), "{nameless}");
        assert!(!nameless.is_throttled() && nameless.is_transient());
        // What one knows better is that, and else the same.
        let gone = denied.clone().meaning(Kind::NoUser);
        assert_eq!((gone.kind, gone.text), (Kind::NoUser, denied.text));
    }

    #[test]
    fn what_never_reached_the_service_is_told_with_what_led_to_it() {
        let failed = |why: &'static str| {
            let error = SdkError::<ErrorMetadata, HttpResponse>::construction_failure(why);
            CallError::of("Get", &error)
        };
        let offline = failed("the network is unreachable");
        assert!(
            offline.text.ends_with(": the network is unreachable"),
            "{offline}"
        );
        assert!(offline.text.len() > ": the network is unreachable".len());
        assert_eq!(offline.kind, Kind::Transient);
        assert_eq!(failed("AccessDenied: sts:AssumeRole").kind, Kind::Denied);
    }

    #[test]
    fn what_is_wrong_with_the_key_is_told_with_its_cure() {
        let failed = CallError::new("DescribeUser", Kind::NoKey, "ResourceNotFoundException");
        assert!(failed.is_transient() && !failed.is_throttled());
        assert_eq!(
            failed.to_string(),
            "DescribeUser failed: ResourceNotFoundException (the key of Identity Center cannot \
             be used: see that it is enabled, that the role has kms:Decrypt on it, and that the \
             key's policy lets the role use it (kms:ViaService identitystore and sso))"
        );
    }
}
