//! The deployed function, looked at before it is given an order: where it works, by
//! which table, and with what its answers are put into words.

use aws_config::SdkConfig;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Deployed;
use super::lambda::{LAMBDA, invoke};
use crate::cli::connection::{Connected, say_place};
use crate::cli::output::{Output, remark};
use crate::cli::progress::awaited;
use crate::cli::table;
use crate::cli::whereabouts;
use crate::cli::words::Words;
use crate::config::Mode;
use crate::policy::document::{Document, Studio};
use crate::policy::read;
use crate::report::{ChangeReport, Pass, Report};

/// The function that answers.
pub(super) struct Function<'t> {
    to: &'t Deployed,
    sdk: SdkConfig,
    pub(super) name: String,
    /// What it says of itself.
    pub(super) status: Value,
    /// Where it works, in a line.
    pub(super) place: String,
    /// Whether it goes by the table that was given, if one was, and if that can be told.
    pub(super) table_is_yours: Option<bool>,
    /// The identity store that was given, if it is the function's: names come from it.
    store: Option<String>,
    /// The table that was given, for its words.
    document: Document,
}

impl Deployed {
    /// Finds the function, and asks it how it is configured.
    pub(super) async fn reach(&self) -> Result<Function<'_>, String> {
        let given = self.account.store_if_given()?;
        let loaded = self.table.as_deref().map(table::load).transpose()?;
        let sdk = self.account.sdk().await?;
        let name = self.which.function(&sdk).await?;
        let status = ordered(&sdk, &name, json!({ "action": "status" })).await?;
        let text = |field: &str| status[field].as_str().unwrap_or_default();
        let table_is_yours = match &loaded {
            // What is said of a table is the same only within one release.
            Some((table, _)) if text("release") == env!("CARGO_PKG_VERSION") => {
                Some(table.digest() == text("table"))
            }
            _ => None,
        };
        let its = text("identity_store_id");
        let other = given.as_ref().filter(|given| *given != its);
        let told = match other {
            None => its.to_owned(),
            Some(other) => format!(
                "{its} (not {other}, which --identity-store-id says: no names are looked up there)"
            ),
        };
        // By an ARN it may be another account's.
        let parts: Vec<&str> = name.split(':').collect();
        let (account, region) = match parts[..] {
            ["arn", _, _, region, account, ..] => (Some(account.to_owned()), Some(region)),
            [account, "function", ..] => (Some(account.to_owned()), None),
            _ => (self.account.id().await?, None),
        };
        let there = whereabouts::in_region(&sdk, region);
        let its_table = loaded.as_ref().filter(|_| table_is_yours == Some(true));
        let place = whereabouts::line(
            account.as_deref(),
            &there,
            Some((&told, None)),
            &[LAMBDA],
            its_table.map(|(table, _)| table),
        );
        let store = given.filter(|given| given == its);
        Ok(Function {
            to: self,
            sdk,
            name,
            place,
            table_is_yours,
            store,
            document: loaded.map_or_else(Document::default, |(_, document)| document),
            status,
        })
    }

    /// What an answer about these Studios is told with.
    pub(in crate::cli) async fn connect(
        &self,
        studios: Vec<(String, String)>,
    ) -> Result<Connected, String> {
        let document = match &self.table {
            Some(path) => table::load(path)?.1,
            None => Document::default(),
        };
        let store = self.account.store_if_given()?;
        let place = self.account.place(None).await?;
        self.connected(&document, store, place, studios).await
    }

    async fn connected(
        &self,
        document: &Document,
        store: Option<String>,
        place: String,
        studios: Vec<(String, String)>,
    ) -> Result<Connected, String> {
        let mut words = Words::of(document);
        words.is_remote = true;
        let studios = studios.into_iter();
        let document = Document {
            studios: studios
                .map(|(alias, id)| (alias, Studio::with_id(&id)))
                .collect(),
            ..Document::default()
        };
        let table = read::resolved(&document).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            format!(
                "the function answered with what is no Studio: {}",
                problems.join("; ")
            )
        })?;
        let engine = self
            .account
            .engine(store.unwrap_or_default(), table)
            .await?;
        Ok(Connected {
            engine,
            words,
            place,
        })
    }
}

impl Function<'_> {
    /// Says on top where it works, and whether that is by another table than was given.
    pub(super) fn say_where(&self, output: Output) -> Result<(), String> {
        say_place(&self.place, output)?;
        if self.table_is_yours == Some(false) {
            let other = "--table: the function goes by another table, and what it does is by that; \
                         this one only gives session policies their aliases";
            remark("!", other);
        }
        Ok(())
    }

    pub(super) fn mode(&self) -> Mode {
        mode_of(&self.status)
    }

    /// The command that tells what it has done.
    pub(super) fn history(&self) -> String {
        self.to.which.history()
    }

    pub(super) async fn connect(
        &self,
        studios: Vec<(String, String)>,
    ) -> Result<Connected, String> {
        let (store, place) = (self.store.clone(), self.place.clone());
        let connected = self.to.connected(&self.document, store, place, studios);
        connected.await
    }

    pub(super) async fn send(&self, order: Value) -> Result<Value, String> {
        ordered(&self.sdk, &self.name, order).await
    }

    /// Sends an order for a pass, and reads the report.
    pub(super) async fn pass(&self, order: Value) -> Result<(Connected, Pass), String> {
        let answer = self.send(order).await?;
        let changes: Vec<ChangeReport> = part(&answer, "changes")?;
        let report = Report {
            mode: mode_of(&answer).name(),
            scope: "everything",
            reason: part(&answer, "reason")?,
            plan_id: part(&answer, "plan_id")?,
            created: part(&answer, "created")?,
            updated: part(&answer, "updated")?,
            deleted: part(&answer, "deleted")?,
            unchanged: part(&answer, "unchanged")?,
            held: part(&answer, "held")?,
            over_capacity: part(&answer, "over_capacity")?,
            failed: part(&answer, "failed")?,
            remaining: part(&answer, "remaining")?,
            // What an older release does not say.
            unresolved: part(&answer, "unresolved").unwrap_or_default(),
            problems: part(&answer, "problems")?,
            changes,
        };
        let of_change = |change: &ChangeReport| (change.studio.clone(), change.studio_id.clone());
        let studios = report.changes.iter().map(of_change);
        let mut connected = self.connect(studios.collect()).await?;
        let pass = Pass {
            report,
            ..Pass::default()
        };
        if self.store.is_some() {
            connected.learn_names_of_changes(&pass).await;
        }
        Ok((connected, pass))
    }
}

fn mode_of(answer: &Value) -> Mode {
    match answer["mode"] == Mode::Apply.name() {
        true => Mode::Apply,
        false => Mode::Plan,
    }
}

/// Gives a function an order, and waits for its answer.
async fn ordered(sdk: &SdkConfig, function: &str, mut order: Value) -> Result<Value, String> {
    if let Some(fields) = order.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let waiting = || format!("waiting for {function}");
    let answer = awaited(waiting, invoke(sdk, function, order)).await?;
    match answer["reason"].as_str() {
        // An order that was refused: it says why among the problems.
        Some(reason) if answer["scope"] == "nothing" => {
            let problems: Vec<String> = part(&answer, "problems")?;
            Err(format!(
                "the function refused: {reason}: {}",
                problems.join("; ")
            ))
        }
        _ => Ok(answer),
    }
}

/// A part of the function's answer.
pub(super) fn part<T: DeserializeOwned>(answer: &Value, field: &str) -> Result<T, String> {
    let read = serde_json::from_value(answer[field].clone());
    read.map_err(|error| {
        format!(
            "the function's answer is not one of ours: {field}: {error}; is it of another release?"
        )
    })
}
