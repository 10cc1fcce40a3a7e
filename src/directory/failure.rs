//! What a failed call to the identity store means: whether what was asked about is
//! gone, or nothing is known of it.

use aws_sdk_identitystore::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_identitystore::types::ResourceType;
use aws_sdk_identitystore::types::error::{
    AccessDeniedException, ResourceNotFoundException, ValidationException,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::{CallError, Kind};
use crate::policy::fit::Answer;

/// What a failed call means.
pub(super) fn failed<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let failed = CallError::of(call, error);
    let exception = error.as_service_error().and_then(std::error::Error::source);
    match exception.and_then(meaning) {
        // A fault of the service proves nothing, whatever else it says.
        Some(kind) if !failed.is_transient() => failed.meaning(kind),
        _ => failed,
    }
}

/// What an exception means that says more than its code. A
/// ResourceNotFoundException is read by the type of what is not there (a store
/// that is not there is a wrong setting), unless it gives a reason: then nobody
/// could look, and whatever was asked about may well be there.
fn meaning(exception: &(dyn std::error::Error + 'static)) -> Option<Kind> {
    if let Some(not_found) = exception.downcast_ref::<ResourceNotFoundException>() {
        return match (not_found.reason(), not_found.resource_type()) {
            (Some(_), _) => Some(Kind::NoKey),
            (None, Some(ResourceType::User)) => Some(Kind::NoUser),
            (None, Some(ResourceType::Group)) => Some(Kind::NoGroup),
            (None, _) => None,
        };
    }
    let denied = exception.downcast_ref::<AccessDeniedException>();
    let invalid = exception.downcast_ref::<ValidationException>();
    let denied = denied.and_then(|error| Some(error.reason()?.as_str()));
    let invalid = invalid.and_then(|error| Some(error.reason()?.as_str()));
    let reason = denied.or(invalid)?;
    reason.starts_with("KMS_").then_some(Kind::NoKey)
}

/// [`Answer::Gone`] where what was asked about is what is not there.
pub(super) fn or_gone<T>(answer: Result<T, CallError>, gone: Kind) -> Result<Answer<T>, CallError> {
    match answer {
        Ok(value) => Ok(Answer::Is(value)),
        Err(error) if error.kind == gone => Ok(Answer::Gone),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_identitystore::operation::describe_user::DescribeUserError;
    use aws_sdk_identitystore::types::{
        AccessDeniedExceptionReason, ResourceNotFoundExceptionReason, ValidationExceptionReason,
    };
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    fn not_found(kind: Option<&str>, reason: Option<&str>) -> Option<Kind> {
        let exception = ResourceNotFoundException::builder()
            .set_resource_type(kind.map(ResourceType::from))
            .set_reason(reason.map(ResourceNotFoundExceptionReason::from))
            .build();
        meaning(&exception)
    }

    #[test]
    fn what_is_not_found_is_gone_by_its_type() {
        assert_eq!(not_found(Some("USER"), None), Some(Kind::NoUser));
        assert_eq!(not_found(Some("GROUP"), None), Some(Kind::NoGroup));
        for other in [
            None,
            Some("IDENTITY_STORE"),
            Some("GROUP_MEMBERSHIP"),
            Some("user"),
        ] {
            assert_eq!(not_found(other, None), None, "{other:?}");
        }
    }

    #[test]
    fn what_comes_with_a_fault_of_the_service_proves_nobody_gone() {
        let code = ErrorMetadata::builder().code("ResourceNotFoundException");
        let exception = ResourceNotFoundException::builder()
            .resource_type(ResourceType::User)
            .meta(code.build())
            .build();
        for (status, kind) in [(404, Kind::NoUser), (500, Kind::Transient)] {
            let status = StatusCode::try_from(status).unwrap();
            let answer = HttpResponse::new(status, SdkBody::empty());
            let error = DescribeUserError::ResourceNotFoundException(exception.clone());
            let failed = failed("DescribeUser", &SdkError::service_error(error, answer));
            assert_eq!(failed.kind, kind, "{failed}");
        }
    }

    #[test]
    fn what_is_not_found_for_a_reason_is_unread_whatever_its_type() {
        for reason in ["KMS_KEY_NOT_FOUND", "KMS_SOMETHING_NEW", "OTHER", ""] {
            for kind in [
                None,
                Some("USER"),
                Some("GROUP"),
                Some("IDENTITY_STORE"),
                Some("NEW"),
            ] {
                let meant = not_found(kind, Some(reason));
                assert_eq!(meant, Some(Kind::NoKey), "{kind:?} {reason:?}");
            }
        }
    }

    #[test]
    fn a_key_that_may_not_be_used_is_no_matter_of_the_roles_policy_alone() {
        let denied = |reason: Option<&str>| {
            let reason = reason.map(AccessDeniedExceptionReason::from);
            meaning(&AccessDeniedException::builder().set_reason(reason).build())
        };
        assert_eq!(denied(Some("KMS_ACCESS_DENIED")), Some(Kind::NoKey));
        assert_eq!(denied(Some("KMS_NEW")), Some(Kind::NoKey));
        assert_eq!(denied(Some("SOMETHING_ELSE")), None);
        assert_eq!(denied(None), None);
        let invalid = |reason: Option<&str>| {
            let reason = reason.map(ValidationExceptionReason::from);
            meaning(&ValidationException::builder().set_reason(reason).build())
        };
        for reason in [
            "KMS_DISABLED",
            "KMS_INVALID_STATE",
            "KMS_INVALID_ARN",
            "KMS_NEW",
        ] {
            assert_eq!(invalid(Some(reason)), Some(Kind::NoKey), "{reason}");
        }
        assert_eq!(invalid(Some("SOMETHING_ELSE")), None);
        assert_eq!(invalid(None), None);
    }
}
