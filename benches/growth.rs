//! How calls, time and memory grow with the size of a company: the hourly full pass
//! over 10 to 200 Studios of 100 users each, in a directory that grows with them.
//! Writes `docs/growth.svg`, and the same as a table to standard output:
//!
//! ```sh
//! cargo bench --features cli --bench growth
//! ```
//!
//! What the pace makes of a pass is measured by a clock that stands still while
//! nothing is waited for. CPU and memory are those of a process of its own, which
//! has no pace to keep and no AWS in it: that is in this one, behind a socket.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use aws_config::Region;
use aws_credential_types::Credentials;
use emr_studio_sync::aws;
use emr_studio_sync::config::{Config, Mode};
use emr_studio_sync::emulator::Emulator;
use emr_studio_sync::policy::read::{self, Format};
use emr_studio_sync::sync::{Engine, Look, Task};
use serde_json::{Value, json};
use tokio::time::Instant;

#[path = "../tests/all/support/company.rs"]
#[allow(dead_code, unreachable_pub)] // it is the tests', who use all of it
mod company;
use company::Company;

const STUDIOS: [usize; 6] = [10, 25, 50, 100, 150, 200];

/// What a pass over so many Studios took.
struct Point {
    studios: usize,
    calls: usize,
    /// By the pace of the table.
    seconds: f64,
    /// Of the process alone.
    cpu_ms: f64,
    memory_mb: f64,
}

/// A hundred Studios make it the company of the issue: 50,000 users, 5,000 groups.
fn company(studios: usize) -> Company {
    Company {
        studios,
        groups_a_studio: 2,
        users_a_group: 50,
        other_groups: 48 * studios,
        users: 500 * studios,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = |paused| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(paused).build().unwrap()
    };
    if let [_, alone, url, table] = arguments.as_slice()
        && alone == "alone"
    {
        runtime(false).block_on(alone_before(url, table));
        return;
    }
    let points = STUDIOS.map(|studios| {
        let (calls, seconds) = runtime(true).block_on(paced(studios));
        let server = tokio::runtime::Runtime::new().unwrap();
        let (cpu_ms, memory_mb) = server.block_on(measured(studios));
        let point = Point {
            studios,
            calls,
            seconds,
            cpu_ms,
            memory_mb,
        };
        println!(
            "| {studios} | {} | {} | {calls} | {seconds:.1} s | {cpu_ms:.0} ms | {memory_mb:.1} MB |",
            100 * studios,
            500 * studios,
        );
        point
    });
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/growth.svg");
    std::fs::write(file, svg(&points)).unwrap();
}

/// A pass of a new engine over everything, and whether it found all as it should be.
async fn pass(engine: &Engine) {
    let look = Look::everything(None, Instant::now() + Duration::from_secs(24 * 3600));
    let task = Task {
        look,
        approve: None,
        agreed: None,
        mode: Mode::Plan,
    };
    let pass = engine.pass(&task).await;
    assert!(pass.report.changes.is_empty() && pass.report.problems.is_empty());
    assert!(pass.full_and_complete.is_some());
}

async fn engine(url: &str, table: &str, emulator: Option<&Emulator>) -> Engine {
    let config = Config {
        identity_store_id: "d-1234567890".to_owned(),
        identity_store_region: None,
        table: read::table(table, Format::Json).unwrap(),
        mode: Mode::Plan,
        log_names: false,
        access_events: false,
        log_group: None,
    };
    let mut sdk = aws::sdk_config()
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .endpoint_url(url);
    if let Some(emulator) = emulator {
        sdk = sdk.http_client(emulator.http_client());
    }
    Engine::new(&config, &sdk.load().await).await
}

/// The calls of a pass, and the seconds that the pace makes of them.
async fn paced(studios: usize) -> (usize, f64) {
    let (world, table) = company(studios).build(true);
    let emulator = Emulator::in_process(world);
    let engine = engine(&emulator.url(), &table.to_string(), Some(&emulator)).await;
    let begun = Instant::now();
    pass(&engine).await;
    let calls = emulator.world().calls.len();
    (calls, begun.elapsed().as_secs_f64())
}

/// The CPU and the memory that a pass takes a process.
async fn measured(studios: usize) -> (f64, f64) {
    let (world, mut table) = company(studios).build(true);
    table["pace"] = json!({
        "emr_per_second": 100_000, "emr_burst": 100_000, "identity_store_per_second": 100_000,
    });
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let emulator = Emulator::start(world, any_port).await.unwrap();
    let (url, file) = (emulator.url(), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(file.path(), table.to_string()).unwrap();
    let path = file.path().to_owned();
    let alone = tokio::task::spawn_blocking(move || {
        let this = std::env::current_exe().unwrap();
        Command::new(this)
            .arg("alone")
            .arg(url)
            .arg(path)
            .output()
            .unwrap()
    });
    let output = alone.await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (
        told["cpu_ms"].as_f64().unwrap(),
        told["memory_mb"].as_f64().unwrap(),
    )
}

/// A process that makes a pass, and tells what it took.
async fn alone_before(url: &str, table: &str) {
    let table = std::fs::read_to_string(table).unwrap();
    let engine = engine(url, &table, None).await;
    let before = cpu_ms();
    pass(&engine).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kb: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!(
        "{}",
        json!({ "cpu_ms": cpu_ms() - before, "memory_mb": kb / 1024.0 })
    );
}

/// What of the CPU this process has had. The kernel counts it in hundredths of a
/// second.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<f64> = fields
        .split_whitespace()
        .filter_map(|one| one.parse().ok())
        .collect();
    // utime and stime, the 14th and 15th; the first two and the state are not in it.
    10.0 * (fields[10] + fields[11])
}

/// What a plot is called, in which unit, and what of a point it shows.
type Plot = (&'static str, &'static str, fn(&Point) -> f64);

/// The points as four small plots.
fn svg(points: &[Point]) -> String {
    let plots: [Plot; 4] = [
        ("calls", "", |point| point.calls as f64),
        ("time at the pace of the table", " s", |point| point.seconds),
        ("CPU of the function", " ms", |point| point.cpu_ms),
        ("peak memory of the function", " MB", |point| {
            point.memory_mb
        }),
    ];
    let (width, height) = (340.0, 190.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>A full pass by the number of Studios: calls, time, CPU, memory</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * width,
        2.0 * height
    );
    let most = points.iter().map(|point| point.studios).max().unwrap_or(1);
    for (number, (title, unit, value)) in plots.into_iter().enumerate() {
        let (left, top) = (width * (number % 2) as f64, height * (number / 2) as f64);
        let highest = points.iter().map(value).fold(0.0, f64::max);
        let x = |studios: usize| left + 55.0 + 250.0 * studios as f64 / most as f64;
        let y = |value: f64| top + 150.0 - 110.0 * value / highest;
        let line: Vec<String> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.studios), y(value(point))))
            .collect();
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" font-weight=\"bold\">{title}</text>",
            left + 55.0,
            top + 22.0
        );
        let _ = writeln!(
            svg,
            "<path d=\"M{0:.0} {1:.0}V{2:.0}H{3:.0}\" fill=\"none\" stroke=\"#999\"/>",
            left + 55.0,
            top + 35.0,
            top + 150.0,
            left + 315.0
        );
        for (place, text) in [
            (0.0, "0".to_owned()),
            (highest, format!("{highest:.0}{unit}")),
        ] {
            let _ = writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{text}</text>",
                left + 50.0,
                y(place) + 4.0
            );
        }
        for studios in points.iter().map(|point| point.studios) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{studios}</text>",
                x(studios),
                top + 165.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#666\">Studios of 100 users</text>",
            left + 180.0,
            top + 180.0
        );
        let line = line.join(" ");
        let _ = writeln!(
            svg,
            "<polyline points=\"{line}\" fill=\"none\" stroke=\"#0b62a4\" stroke-width=\"1.5\"/>"
        );
        for point in points {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"#0b62a4\"/>",
                x(point.studios),
                y(value(point))
            );
        }
    }
    svg + "</svg>\n"
}
