//! `mapping`: the service's own five calls by hand, with names or ids on both
//! sides. No rule is asked, and nothing is guarded: one call, one mapping.

mod filter;
mod hands;
mod rows;
mod who;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::confirm::confirmed;
use super::connection::{Account, say_place};
use super::explain::Whom;
use super::output::{Output, failed, outln, remark, sayln};
use crate::identity::Identity;
use crate::plan::{Action, Change, Mapping};
use crate::studio::Made;
use crate::visible;
use filter::Filter;
use hands::{Hands, all_studios};
use rows::{Row, print};

/// Which of the five calls.
#[derive(Debug, Subcommand)]
pub(super) enum Call {
    /// Map a user or a group to a Studio
    #[command(
        after_help = "Example:\n  emr-studio-sync mapping create --table policy.toml \\\n    \
        --studio analytics --user alice@example.com --session-policy engineer"
    )]
    Create(WithPolicy),
    /// Give a mapping another session policy
    #[command(
        after_help = "With a table, what its `protect` means is left alone, and what the next full \
        pass will make of the mapping is said.\n\n\
        Example:\n  emr-studio-sync mapping update --table policy.toml \\\n    \
        --studio analytics --user alice@example.com --session-policy analyst"
    )]
    Update(Update),
    /// Show one mapping
    #[command(
        after_help = "Example:\n  emr-studio-sync mapping get --studio es-ABCDEFGHIJKLMNOPQRSTUVWXY \\\n    \
        --group data-engineers --identity-store-id d-1234567890"
    )]
    Get(Get),
    /// Delete a mapping
    #[command(
        after_help = "Deleting a mapping does not end a session that is open already. With a table, \
        what its `protect` means is left alone, and what the next full pass will make of it is \
        said.\n\n\
        Example:\n  emr-studio-sync mapping delete --studio es-ABCDEFGHIJKLMNOPQRSTUVWXY \\\n    \
        --user-id 0a1b2c3d-1001-7001-8001-00000000a001 --yes"
    )]
    Delete(Delete),
    /// List the mappings of one Studio or of all
    #[command(
        after_help = "Without --studio: all Studios of the table; without a table too, all of \
        the account in this Region.\nNames are the present ones, if there is an identity store \
        to ask; else those under which the mappings were made.\n\n\
        Examples:\n  emr-studio-sync mapping list --output csv\n  \
        emr-studio-sync mapping list --user alice@example.com --table policy.toml\n  \
        emr-studio-sync mapping list --session-policy engineer --table policy.toml"
    )]
    List(List),
}

/// Where a mapping is, and where its aliases are written down.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The policy table, for its aliases
    #[arg(
        long,
        env = "POLICY_TABLE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    table: Option<PathBuf>,
    #[command(flatten)]
    account: Account,
}

#[derive(Debug, Args)]
pub(super) struct WithPolicy {
    /// The Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: String,
    #[command(flatten)]
    whom: Whom,
    /// The session policy, by alias or ARN
    #[arg(long, value_name = "ALIAS|ARN")]
    session_policy: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Also what the table protects
    #[arg(long)]
    even_protected: bool,
    #[command(flatten)]
    with: WithPolicy,
}

#[derive(Debug, Args)]
pub(super) struct Get {
    /// The Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: String,
    #[command(flatten)]
    whom: Whom,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: String,
    #[command(flatten)]
    whom: Whom,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Also what the table protects
    #[arg(long)]
    even_protected: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The Studio, by alias or id
    #[arg(long, value_name = "ALIAS|ID")]
    studio: Option<String>,
    #[command(flatten)]
    only: Filter,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(call: Call) -> Result<ExitCode, String> {
    match call {
        Call::Create(arguments) => create(arguments).await,
        Call::Update(arguments) => update(arguments).await,
        Call::Get(arguments) => get(arguments).await.map(|()| ExitCode::SUCCESS),
        Call::Delete(arguments) => delete(arguments).await,
        Call::List(arguments) => list(arguments).await.map(|()| ExitCode::SUCCESS),
    }
}

async fn create(arguments: WithPolicy) -> Result<ExitCode, String> {
    let found = arguments.place.find(&arguments.studio, &arguments.whom);
    let (hands, studio, who) = found.await?;
    let name = who.name();
    say_place(&hands.place, Output::Table)?;
    let policy = hands.session_policy(&arguments.session_policy)?;
    match hands.mapping(studio, &who.identity).await? {
        Some(has) if has.session_policy == policy => {
            let policy = hands.words.policy(&policy);
            say("=", &hands, studio, &who.mapped(&has), &policy)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(has) => {
            return Err(already(
                &hands,
                studio,
                &name,
                &visible::line(&has.session_policy),
            ));
        }
        None => {}
    }
    let then = hands.foretold(studio, &who.identity, None, Some(&policy));
    let then = then.await?;
    let change = by_hand(Action::Create, &who.identity, Some(&policy), None);
    let (made, code) = hands.make(studio, &change).await?;
    if made == Made::Collided {
        return Err(already(&hands, studio, &name, "another session policy"));
    }
    hands.tell(then.as_ref(), &name);
    say("+", &hands, studio, &name, &hands.words.policy(&policy))?;
    Ok(code)
}

async fn update(arguments: Update) -> Result<ExitCode, String> {
    let Update {
        even_protected,
        with: arguments,
    } = arguments;
    let found = arguments.place.find(&arguments.studio, &arguments.whom);
    let (hands, studio, who) = found.await?;
    let name = who.name();
    say_place(&hands.place, Output::Table)?;
    let policy = hands.session_policy(&arguments.session_policy)?;
    let Some(has) = hands.mapping(studio, &who.identity).await? else {
        let unmapped = unmapped(&hands, studio, &name);
        return Err(format!("{unmapped}; to map it: mapping create"));
    };
    let whose = who.mapped(&has);
    if has.session_policy == policy {
        say("=", &hands, studio, &whose, &hands.words.policy(&policy))?;
        return Ok(ExitCode::SUCCESS);
    }
    let then = hands.foretold(studio, &who.identity, Some(&has), Some(&policy));
    let then = then.await?;
    hands.may_change(studio, &whose, then.as_ref(), even_protected)?;
    if then.is_some() {
        // To foretell that took its time.
        hands.is_still(studio, &who.identity, &whose, &has).await?;
    }
    let change = by_hand(Action::Update, &who.identity, Some(&policy), Some(&has));
    let (made, code) = hands.make(studio, &change).await?;
    if made == Made::Collided {
        return Err(format!(
            "somebody else changes the mapping of {name} in {} too, and it is not what you wanted; \
             look again: mapping get",
            hands.studio(studio)
        ));
    }
    hands.tell(then.as_ref(), &name);
    let (from, to) = (
        hands.words.policy(&has.session_policy),
        hands.words.policy(&policy),
    );
    say("~", &hands, studio, &whose, &format!("{from} -> {to}"))?;
    Ok(code)
}

async fn delete(arguments: Delete) -> Result<ExitCode, String> {
    let found = arguments.place.find(&arguments.studio, &arguments.whom);
    let (hands, studio, who) = found.await?;
    say_place(&hands.place, Output::Table)?;
    let Some(has) = hands.mapping(studio, &who.identity).await? else {
        return Err(unmapped(&hands, studio, &who.name()));
    };
    let policy = hands.words.policy(&has.session_policy);
    let whose = who.mapped(&has);
    let then = hands.foretold(studio, &who.identity, Some(&has), None);
    let then = then.await?;
    hands.may_change(studio, &whose, then.as_ref(), arguments.even_protected)?;
    // Before the question: whoever answers it should know.
    hands.tell(then.as_ref(), &who.name());
    let question = format!(
        "Delete the mapping of {whose} in {} ({policy})?",
        hands.studio(studio)
    );
    if !arguments.yes && !confirmed(&hands.place, &question)? {
        return Err("nothing was deleted".to_owned());
    }
    hands.is_still(studio, &who.identity, &whose, &has).await?;
    let change = by_hand(Action::Delete, &who.identity, None, Some(&has));
    let (_, code) = hands.make(studio, &change).await?;
    say("-", &hands, studio, &whose, &policy)?;
    Ok(code)
}

async fn get(arguments: Get) -> Result<(), String> {
    let found = arguments.place.find(&arguments.studio, &arguments.whom);
    let (hands, studio, who) = found.await?;
    say_place(&hands.place, arguments.output)?;
    let Some(mapping) = hands.mapping(studio, &who.identity).await? else {
        return Err(unmapped(&hands, studio, &who.name()));
    };
    let row = hands.row(studio, &who.identity, &mapping, who.name.clone());
    match arguments.output {
        Output::Json => outln!("{:#}", row.for_a_program()),
        output => print(&hands, &[row], output)?,
    }
    Ok(())
}

async fn list(arguments: List) -> Result<(), String> {
    let place = &arguments.place;
    let (hands, studios) = match &arguments.studio {
        Some(name) => {
            let (hands, studio) = place.reach(name, None).await?;
            (hands, vec![studio])
        }
        None => {
            let mut document = place.document()?;
            if place.table.is_none() {
                document.studios = all_studios(&place.account).await?;
            }
            let hands = place.hands(document, None).await?;
            let all = (0..hands.engine.table().studios.len()).collect();
            (hands, all)
        }
    };
    say_place(&hands.place, arguments.output)?;
    let only = arguments.only.known(&hands).await?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for studio in studios {
        match hands.mappings(studio).await {
            Ok(mappings) => {
                let all = mappings.into_iter();
                let those = all.filter(|(identity, mapping)| only.takes(identity, mapping));
                found.extend(those.map(|(identity, mapping)| (studio, identity, mapping)));
            }
            Err(why) => failures.push(why),
        }
    }
    let names = hands.names(found.iter().map(|(_, identity, _)| identity));
    let names = names.await;
    let rows = found.iter().map(|(studio, identity, mapping)| {
        let name = names.get(identity).cloned();
        hands.row(*studio, identity, mapping, name)
    });
    let rows: Vec<Row> = rows.collect();
    // Nothing is not what was read, if nothing could be.
    if failures.is_empty() || !rows.is_empty() {
        print(&hands, &rows, arguments.output)?;
    }
    if failures.is_empty() && rows.is_empty() {
        only.nobody.iter().for_each(|nobody| remark("!", nobody));
    }
    failed(failures)
}

fn already(hands: &Hands, studio: usize, name: &str, policy: &str) -> String {
    format!(
        "{name} is mapped to {} already, with {policy}; to change that: mapping update",
        hands.studio(studio)
    )
}

fn unmapped(hands: &Hands, studio: usize, name: &str) -> String {
    format!("{name} is not mapped to {}", hands.studio(studio))
}

fn say(sign: &str, hands: &Hands, studio: usize, name: &str, policy: &str) -> Result<(), String> {
    sayln!("{sign} {}  {name}  {policy}", hands.studio(studio));
    Ok(())
}

/// A change that no rule wants, but somebody at a terminal.
fn by_hand(
    action: Action,
    identity: &Identity,
    session_policy: Option<&String>,
    has: Option<&Mapping>,
) -> Change {
    Change {
        action,
        identity: identity.clone(),
        session_policy: session_policy.cloned(),
        previous_policy: has.map(|has| has.session_policy.clone()),
        rule: None,
        via_group: None,
        name: has.and_then(|has| has.name.clone()),
    }
}
