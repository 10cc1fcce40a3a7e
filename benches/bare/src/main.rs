//! A function that answers at once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = async |_: LambdaEvent<Value>| Ok::<_, Error>(Value::Null);
    lambda_runtime::run(service_fn(handler)).await
}
