//! `probe`: what nobody has published of the real service, asked of it by a few
//! calls that are taken back again. For whoever has an account to try things in.

mod asked;
mod questions;
mod rename;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use super::confirm::confirmed;
use super::connection::{Account, no_deadline};
use super::output::{failed, put, tell_place};
use super::stop::{STOPPED, told_to_stop};
use super::whereabouts;
use super::words::counted;
use crate::identity::{Identity, IdentityType};
use crate::plan::{Action, Change};
use crate::policy::document::{Document, Studio};
use crate::policy::fit::Answer;
use crate::policy::{read, resolve};
use crate::studio::{Listed, Usable};
use crate::sync::Engine;
use crate::visible;
use asked::Calls;
use questions::Questions;

/// Up to so many mappings a Studio may have that nobody works in.
const A_FEW: usize = 3;
/// How often what was made is taken back, and the pause before it is tried again.
const ROUNDS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// How long it may take until a call shows that seemed to fail.
const LATE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
#[command(
    after_help = "It maps the user to the Studio for some seconds, with a session policy that permits \
    nothing, and takes that back, also if it is stopped. The report has neither names nor ids.\n\n\
    With --rename it asks you to rename the user meanwhile, and back afterwards: it renames nobody \
    itself. At most twenty minutes it waits for each.\n\n\
    Exit codes: 0 done, 1 failed, or a call failed that should not have, or something is not as it \
    was, 130 stopped\n\n\
    Example:\n  emr-studio-sync probe --studio es-ABCDEFGHIJKLMNOPQRSTUVWXY --user alice@example.com \\\n    \
    --group data-engineers > probe.md"
)]
pub(super) struct Arguments {
    /// The Studio, by id: one that nobody works in
    #[arg(long, value_name = "ID")]
    studio: String,
    /// Somebody who has no mapping there, by user name
    #[arg(long, value_name = "NAME")]
    user: String,
    /// A group that the user is in, and that has no mapping there, by display name:
    /// to see whether both may be mapped
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Wait for the user to be renamed while mapped: to see what becomes of the mapping
    #[arg(long)]
    rename: bool,
    /// The session policy to map with, in place of AWS's own AWSDenyAll
    #[arg(long, value_name = "ARN")]
    session_policy: Option<String>,
    /// Also where the Studio has more than a few mappings
    #[arg(long)]
    even_in_use: bool,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    account: Account,
}

/// Whose mappings are made and taken back, and where.
struct Subjects {
    engine: Engine,
    studio: String,
    user: Identity,
    user_name: String,
    group: Option<(Identity, String)>,
    session_policy: String,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, String> {
    let sdk = arguments.account.sdk().await?;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let subjects = arguments.subjects(&region).await?;
    let mut listed = subjects.look(arguments.even_in_use).await?;
    let place = arguments.account.place(None).await?;
    subjects.announce(&place, &listed, arguments.rename);
    if !arguments.yes {
        if !confirmed(&place, "Go on?")? {
            return Err("nothing was tried".to_owned());
        }
        // Somebody may have mapped them while it waited.
        listed = subjects.look(arguments.even_in_use).await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let watching = Arc::clone(&stop);
    tokio::spawn(async move {
        if told_to_stop().await.is_ok() {
            anstream::eprintln!("stopping: what was made is taken back; Ctrl-C again ends at once");
            watching.store(true, Ordering::Relaxed);
        }
        if told_to_stop().await.is_ok() {
            std::process::exit(STOPPED.into());
        }
    });
    let store_region = arguments.account.store_region();
    let there = whereabouts::in_region(&sdk, store_region.as_deref());
    let calls = Calls::new(sdk, there, stop);
    let mut questions = Questions::new(&subjects, &listed, calls);
    let mut ended = questions.ask_all(arguments.rename).await;
    if questions.calls.may_show_late() {
        // A creation whose answer did not come may still be made.
        tokio::time::sleep(LATE).await;
    }
    let mut left = subjects.put_back(&questions.given).await;
    if ended.is_ok() {
        put(questions.report(&region))?;
    }
    if left.is_empty() {
        anstream::eprintln!("the Studio's mappings are as they were");
        if ended.is_ok() {
            ended = questions.see_the_name_back().await;
        }
    }
    left.extend(questions.left_to_rename().await);
    failed(left)?;
    Ok(match (ended, questions.calls.failed()) {
        (Err(_), _) => ExitCode::from(STOPPED),
        (Ok(()), 0) => ExitCode::SUCCESS,
        (Ok(()), failed) => {
            anstream::eprintln!(
                "error: {} failed, and what it would have said is not known",
                counted(failed, "call")
            );
            ExitCode::FAILURE
        }
    })
}

impl Arguments {
    /// Looks up whom it is about.
    async fn subjects(&self, region: &str) -> Result<Subjects, String> {
        if !resolve::is_studio_id(&self.studio) {
            return Err(format!(
                "--studio: {} is not a Studio's id (es-…)",
                visible::quoted(&self.studio)
            ));
        }
        let document = Document {
            studios: [(self.studio.clone(), Studio::with_id(&self.studio))].into(),
            ..Document::default()
        };
        let table = read::resolved(&document).map_err(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            problems.join("; ")
        })?;
        let store_id = self.account.store_id()?;
        self.account.knock().await?;
        let engine = self.account.engine(store_id, table).await?;
        self.account.is_there(&engine).await?;
        let store = engine.store();
        let found = async |kind: IdentityType, name: &str| {
            let answer = store.called(kind, name, no_deadline()).await;
            match answer.map_err(|error| error.to_string())? {
                Answer::Is(identity) => Ok(identity),
                Answer::Gone | Answer::Unread { .. } => {
                    let kind = kind.to_string().to_lowercase();
                    let store = store.id();
                    let name = visible::quoted(name);
                    Err(format!("there is no {kind} called {name} in {store}"))
                }
            }
        };
        let user = found(IdentityType::User, &self.user).await?;
        let group = match &self.group {
            None => None,
            Some(name) => {
                let group = found(IdentityType::Group, name).await?;
                let asked = BTreeSet::from([group.id.clone()]);
                let holds = store.is_member_in(&user.id, &asked, no_deadline()).await;
                let holds = holds.map_err(|error| error.to_string())?;
                if holds.known().is_none_or(BTreeSet::is_empty) {
                    return Err(format!(
                        "--group: {} is not in {}, so nothing would be learned of it",
                        visible::name(&self.user),
                        visible::quoted(name)
                    ));
                }
                Some((group, name.clone()))
            }
        };
        let partition = whereabouts::partition(region);
        let deny_all = format!("arn:{partition}:iam::aws:policy/AWSDenyAll");
        Ok(Subjects {
            engine,
            studio: self.studio.clone(),
            user,
            user_name: self.user.clone(),
            group,
            session_policy: self.session_policy.clone().unwrap_or(deny_all),
        })
    }
}

impl Subjects {
    /// Everybody whose mapping is made, and what to call them.
    fn all(&self) -> impl Iterator<Item = (&Identity, &str)> {
        let user = (&self.user, self.user_name.as_str());
        let group = self.group.iter();
        std::iter::once(user).chain(group.map(|(group, name)| (group, name.as_str())))
    }

    /// Looks at the Studio, and refuses where something of somebody's is.
    async fn look(&self, even_in_use: bool) -> Result<Listed, String> {
        let studio = self.engine.studio(0);
        let told = |why| format!("Studio {}: {why}", self.studio);
        let usable = studio.usable(no_deadline()).await;
        if let Usable::No(mode) = usable.map_err(|why| told(why.without_a_table()))? {
            return Err(told(format!(
                "people sign in to it with {mode}; only with AuthMode SSO it has mappings"
            )));
        }
        let listed = studio.list(no_deadline()).await;
        let listed = listed.map_err(|why| told(why.without_a_table()))?;
        for (identity, name) in self.all() {
            let mapping = studio.mapping(identity, no_deadline()).await;
            let mapping = mapping.map_err(|why| told(why.without_a_table()))?;
            if mapping.is_some() || listed.mappings.contains_key(identity) {
                return Err(told(format!(
                    "{} has a mapping already, which is not to be touched; take somebody else",
                    visible::name(name)
                )));
            }
        }
        let count = listed.mappings.len() + listed.nobodys.len();
        if count > A_FEW && !even_in_use {
            return Err(told(format!(
                "it has {count} mappings, so somebody works in it; take another, or give \
                 --even-in-use"
            )));
        }
        Ok(listed)
    }

    /// Says what will be done.
    fn announce(&self, place: &str, listed: &Listed, rename: bool) {
        tell_place(place);
        let count = listed.mappings.len() + listed.nobodys.len();
        anstream::eprintln!(
            "In Studio {} ({}), for some seconds, with {}:",
            self.studio,
            counted(count, "mapping"),
            visible::line(&self.session_policy)
        );
        anstream::eprintln!(
            "  {} is mapped twice, once by id and once by name",
            visible::name(&self.user_name)
        );
        if let Some((_, name)) = &self.group {
            anstream::eprintln!("  the group {} is mapped beside", visible::name(name));
        }
        if rename {
            anstream::eprintln!(
                "  {} is mapped once more, until you have renamed them in the directory",
                visible::name(&self.user_name)
            );
        }
        anstream::eprintln!("and all of it is taken back. What is there already is not touched.");
    }

    /// Takes back what was made, and says what could not be. `given`: the session
    /// policies of the mappings that may be ours.
    async fn put_back(&self, given: &BTreeMap<IdentityType, BTreeSet<String>>) -> Vec<String> {
        let none = BTreeSet::new();
        let mut left = Vec::new();
        for (identity, name) in self.all() {
            let given = given.get(&identity.kind).unwrap_or(&none);
            match self.unmap(identity, given).await {
                Ok(None) => {}
                Ok(Some(others)) => left.push(format!(
                    "somebody else has mapped {} to {} meanwhile, with {}: that is left as it is",
                    visible::name(name),
                    self.studio,
                    visible::line(&others)
                )),
                // Nothing of ours is there, whatever else is.
                Err(_) if given.is_empty() => {}
                Err(why) => {
                    let kind = identity.kind.to_string().to_lowercase();
                    left.push(format!(
                        "{} may still be mapped to {}: {why}. Delete that: emr-studio-sync mapping \
                         delete --studio {} --{kind}-id {}",
                        visible::name(name),
                        self.studio,
                        self.studio,
                        identity.id
                    ));
                }
            }
        }
        left
    }

    /// Deletes the mapping of an identity, if it is one that was given. Returns the
    /// session policy of another, if there is another.
    async fn unmap(
        &self,
        identity: &Identity,
        given: &BTreeSet<String>,
    ) -> Result<Option<String>, String> {
        let studio = self.engine.studio(0);
        let change = Change {
            action: Action::Delete,
            identity: identity.clone(),
            session_policy: None,
            previous_policy: None,
            rule: None,
            via_group: None,
            name: None,
        };
        let mut why = "it is there again".to_owned();
        // What is deleted last is looked for once more.
        for round in 0..=ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let mapping = match studio.mapping(identity, no_deadline()).await {
                // By a list it can be seen too.
                Err(refusal) => match studio.list(no_deadline()).await {
                    Ok(mut listed) if listed.nobodys.is_empty() && !listed.is_bare => {
                        Ok(listed.mappings.remove(identity))
                    }
                    Ok(_) | Err(_) => Err(refusal),
                },
                got => got,
            };
            match mapping {
                Ok(None) => return Ok(None),
                Ok(Some(mapping)) if !given.contains(&mapping.session_policy) => {
                    return Ok(Some(mapping.session_policy));
                }
                Ok(Some(_)) if round == ROUNDS => {}
                Ok(Some(_)) => {
                    if let Err(refusal) = studio.make(&change, no_deadline()).await {
                        why = refusal.to_string();
                    }
                }
                Err(refusal) => why = refusal.to_string(),
            }
        }
        Err(why)
    }
}
