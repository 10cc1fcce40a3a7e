//! The embedded AWS: the Identity Store's reads, EMR Studio's session mappings,
//! the function's log, and what `doctor` asks of an account, answered over HTTP
//! from memory.
//!
//! # What it is
//! A small server that speaks to the real SDK clients in their own protocols. It
//! answers with the service's own texts, holds to the service's own limits, cuts
//! its lists into pages, and goes wrong on demand. The tests, a newcomer's first
//! run and `sam local invoke` reach it through `AWS_ENDPOINT_URL_EMR` and
//! `AWS_ENDPOINT_URL_IDENTITYSTORE`, or all services through `AWS_ENDPOINT_URL`.
//!
//! What AWS documents or others have published is built in; what nobody has
//! published is a switch in [`Settings`], so that a test can try both answers.
//!
//! # What it is not
//! It checks no signatures and no permissions. It writes no directory over HTTP:
//! who is in which group changes through [`World`]. It has only the calls a
//! synchronizer of session mappings needs, and its doctor; any other is an
//! `UnknownOperationException`. It sends no events, records nothing and measures
//! nothing: event rules, trails and metrics are there to be asked about, as the
//! [`Deployment`] has them. Its logs have the lines that a test puts into
//! [`World::log`], and of their filter language it knows what the function uses.
//! Nothing outlives the process.
//!
//! # The map
//! ```text
//! seed.rs ──▶ World ◀── Emulator::world()         a test looks, and changes things
//!               ▲
//! HTTP ─▶ server.rs ─▶ faults.rs ─▶ identity_store.rs   the Identity Store's reads
//!          │    │                ├▶ studios.rs          EMR's Studios and mappings
//!          │    │                ├▶ account.rs          STS and IAM
//!          │    │                ├▶ watching.rs         EventBridge, CloudTrail, CloudWatch
//!          │    │                ├▶ logs.rs             CloudWatch Logs
//!          │    │                └▶ functions.rs        Lambda, CloudFormation
//!          │    └▶ calls.rs                             what was asked, and its outcome
//!          └▶ protocol.rs                               JSON and XML, to JSON and back
//! ```
//! | file | holds |
//! |---|---|
//! | `world.rs` | [`World`]: the directory and the Studios, and what can happen to them |
//! | `directory.rs` | users, groups and memberships, found by whatever they are looked for by |
//! | `records.rs` | what a world is made of: users, groups, memberships, Studios, mappings, log lines |
//! | `deployment.rs` | [`Deployment`]: what else the account has |
//! | `settings.rs` | [`Settings`]: the switches for what nobody knows of the service |
//! | `seed.rs` | [`Seed`]: a world and a story from a TOML file |
//! | `faults.rs` | [`Faults`]: what goes wrong, and when |
//! | `limits.rs` | [`RateLimits`]: token buckets |
//! | `calls.rs` | [`Call`]: one entry of the log |
//! | `protocol.rs` | what a request asks of whom; writing answers |
//! | `wire.rs` | members of requests, refusals, pages |
//! | `pattern.rs` | which events an event pattern lets through |
//! | `log_filter.rs` | which lines a filter pattern lets through |
//! | `server.rs` | the HTTP side: one request, one answer (or none) |
//! | `in_process.rs` | the same without a socket, for clients of this process |
//! | `watch.rs` | [`Watch`]: whoever looks on, and may step in, at each call |
//!
//! A request is logged when it arrives, judged by the rate limits and the fault
//! rules, and then answered from the world. The world is behind one lock, never
//! held across an `await`: every call is atomic.

mod account;
mod calls;
mod deployment;
mod directory;
mod faults;
mod functions;
mod identity_store;
mod in_process;
mod limits;
mod log_filter;
mod logs;
mod pattern;
mod protocol;
mod records;
mod seed;
mod server;
mod settings;
mod studios;
mod watch;
mod watching;
mod wire;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use calls::{Call, Outcome};
pub use deployment::{Deployment, EventRule, Function, ManagementEvents, Role, Trail};
pub use directory::{HasName, Memberships, Named};
pub use faults::{Fault, FaultKind, Faults};
pub use limits::{Bucket, RateLimits};
pub use records::{
    AuthMode, Group, IdentityType, LogLine, Mapping, Membership, Minted, Studio, User,
    UserAssignment,
};
pub(crate) use seed::{File, SeedGroup, SeedMapping, SeedStudio, SeedUser};
pub use seed::{Member, NewIdentity, RenameGroup, RenameUser, Seed, Selected, Step};
pub use settings::{AfterIdentityGone, FoundAfterRename, Settings, Texts};
pub use watch::Watch;
pub use world::World;

/// A running server. Dropping it stops it: the port and every open connection
/// are closed.
#[derive(Debug)]
pub struct Emulator {
    world: Arc<Mutex<World>>,
    /// Where it listens, and who does. None: it is reached in process.
    served: Option<(SocketAddr, JoinHandle<()>)>,
}

impl Emulator {
    /// Binds (port 0 takes any free one) and serves `world` in a tokio task.
    pub async fn start(world: World, listen: SocketAddr) -> std::io::Result<Emulator> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(world));
        let accepting = tokio::spawn(server::accept(listener, Arc::clone(&world)));
        Ok(Emulator {
            world,
            served: Some((address, accepting)),
        })
    }

    /// Serves `world` to clients of this process, without a socket: then nothing
    /// takes real time, and a test's paused clock is everybody's clock.
    pub fn in_process(world: World) -> Emulator {
        let world = Arc::new(Mutex::new(world));
        let served = None;
        Emulator { world, served }
    }

    /// Whether it has no socket.
    pub fn is_in_process(&self) -> bool {
        self.served.is_none()
    }

    /// What clients of this process reach it by, whatever their endpoint.
    pub fn http_client(&self) -> SharedHttpClient {
        in_process::http_client(&self.world)
    }

    /// Where it listens, as an endpoint URL: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        match &self.served {
            Some((address, _)) => format!("http://{address}"),
            // A client wants to be given one; nobody looks it up.
            None => "http://in.process.invalid".to_owned(),
        }
    }

    /// The world behind the server, to look at and to change between calls.
    ///
    /// No call is answered while the guard lives: let it go before the next
    /// `await`. In the head of a `for` or a `match` it lives to the end of it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The connections are the accepting task's, and go with it.
        if let Some((_, accepting)) = &self.served {
            accepting.abort();
        }
    }
}

/// A panic elsewhere (a failed assertion while a test held the guard) leaves the
/// world as readable as before.
fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
