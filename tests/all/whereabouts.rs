//! Where a command works is said before anything is done; and where it cannot, that
//! is said once, in a sentence, with the cure.

use crate::support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use emr_studio_sync::emulator::{Fault, FaultKind, World};
use emr_studio_sync::visible::quoted;
use support::desk::{Desk, Said, said};
use support::{ANALYTICS, ENGINEER, STORE, table, world};

use crate::remote::deployed;

const ACCOUNT: &str = "111122223333";

async fn desk() -> Desk {
    Desk::new(deployed(world(), "apply", &table(|_| ()))).await
}

fn place(desk: &Desk, account: &str) -> String {
    let url = desk.emulator.url();
    format!("account {account}, us-east-1, identity store {STORE}, at {url}")
}

/// Every command that talks to AWS, but for `doctor`, which has findings of its own.
fn commands() -> Vec<Vec<&'static str>> {
    let whom = ["--studio", ANALYTICS, "--user", "alice"];
    let of_mapping = |call| [&["mapping", call], &whom[..]].concat();
    let with_policy = |call| [&of_mapping(call)[..], &["--session-policy", ENGINEER]].concat();
    let mut commands = vec![
        vec!["mapping", "list"],
        of_mapping("get"),
        with_policy("create"),
        with_policy("update"),
        [&of_mapping("delete")[..], &["--yes"]].concat(),
    ];
    for line in [
        "plan",
        "apply --yes",
        "report",
        "adopt",
        "explain --user alice",
        "export",
        "check --live policy.json",
        "remote status --stack studio-sync",
        "remote plan --function studio-sync-Function-ABC",
        "history --stack studio-sync",
        "history --stack studio-sync --at 0m",
    ] {
        commands.push(line.split(' ').collect());
    }
    commands
}

#[tokio::test]
async fn who_reads_a_result_reads_on_top_of_it_where_it_is_from() {
    let desk = desk().await;
    for command in &commands()[..8] {
        let said = desk.run(command).await;
        assert_eq!(
            said.place,
            Some(place(&desk, ACCOUNT)),
            "{command:?}: {}",
            said.err
        );
    }
    for output in ["json", "csv"] {
        for command in ["plan", "apply --yes", "report", "mapping list"] {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.extend(["--output", output]);
            let mut tool = desk.tool(&words);
            tool.env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE);
            let output = tokio::task::spawn_blocking(move || tool.output().unwrap())
                .await
                .unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            let (out, err) = (text(output.stdout), text(output.stderr));
            assert!(!out.contains("account "), "{command}: {out}");
            assert!(err.starts_with(&place(&desk, ACCOUNT)), "{command}: {err}");
        }
    }
}

#[tokio::test]
async fn an_account_that_sts_does_not_tell_is_unknown_and_stops_nothing() {
    for kind in [
        FaultKind::AccessDenied,
        FaultKind::DropBefore,
        FaultKind::ServerError,
        FaultKind::Latency(Duration::from_secs(20)),
    ] {
        let desk = desk().await;
        desk.emulator
            .world()
            .faults
            .add(Fault::on("sts", kind.clone()));
        let began = Instant::now();
        let said = desk.run(&["plan"]).await;
        assert_eq!(said.code, 2, "{kind:?}: {}", said.err);
        assert_eq!(said.place, Some(place(&desk, "unknown")), "{kind:?}");
        assert!(began.elapsed() < Duration::from_secs(19), "{kind:?}");
        let expecting = desk.run(&["plan", "--expect-account", ACCOUNT]).await;
        assert_eq!(expecting.code, 1);
        assert!(
            expecting.err.contains("STS does not say"),
            "{}",
            expecting.err
        );
    }
}

#[tokio::test]
async fn another_account_than_the_expected_is_left_before_anything_else() {
    let desk = desk().await;
    for command in commands().iter().chain([&vec!["doctor"]]) {
        let mut words = command.clone();
        words.extend(["--expect-account", "999988887777"]);
        let said = desk.run(&words).await;
        assert_eq!(said.code, 1, "{command:?}");
        let sentence = "--expect-account: these are credentials of account 111122223333, not of";
        assert!(said.err.contains(sentence), "{command:?}: {}", said.err);
        assert_eq!(
            (said.out.as_str(), desk.calls()),
            ("", vec![]),
            "{command:?}"
        );
    }
    let expected = desk.run(&["plan", "--expect-account", ACCOUNT]).await;
    assert_eq!(expected.code, 2, "{}", expected.err);
}

#[tokio::test]
async fn studios_in_other_accounts_and_a_store_in_another_region_are_in_the_line() {
    let desk = desk().await;
    let away = table(|table| {
        let role = "arn:aws:iam::222233334444:role/studio-sync";
        table["studios"]["science"]["role_arn"] = role.into();
    });
    desk.write("policy.json", &away.to_string());
    let said = desk
        .run(&["plan", "--identity-store-region", "eu-west-1"])
        .await;
    let url = desk.emulator.url();
    assert_eq!(
        said.place.unwrap(),
        format!(
            "account {ACCOUNT}, us-east-1, identity store {STORE} in eu-west-1, at {url}; Studios \
             in account 222233334444 too"
        )
    );
}

/// A home with profiles, and nothing else that could give credentials.
fn at_home(desk: &Desk, words: &[&str]) -> Command {
    let expired = r#"{"startUrl":"https://corp.awsapps.com/start","region":"us-east-1",
        "accessToken":"t","expiresAt":"2020-01-01T00:00:00Z"}"#;
    let aws = desk.folder.path().join(".aws");
    std::fs::create_dir_all(aws.join("sso/cache")).unwrap();
    // The SHA-1 of the session's name.
    let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
    std::fs::write(aws.join(format!("sso/cache/{name}.json")), expired).unwrap();
    let config = "\
        [profile empty]\nregion = us-east-1\n\
        [profile half]\naws_access_key_id = AKIA\n\
        [profile expired]\nsso_session = corp\nsso_account_id = 111122223333\n\
        sso_role_name = Admin\n\
        [profile corp]\nsso_session = other\nsso_account_id = 111122223333\n\
        sso_role_name = Admin\n\
        [profile through]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = expired\n\
        [profile away]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = nowhere\n\
        [profile login]\nlogin_session = arn:aws:sts::111122223333:assumed-role/x/y\n\
        [profile process]\ncredential_process = /bin/false\n\
        [profile slow]\ncredential_process = /bin/sh helper.sh\n\
        [sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\n\
        sso_region = us-east-1\n\
        [sso-session other]\nsso_start_url = https://other.awsapps.com/start\n\
        sso_region = us-east-1\n";
    std::fs::write(aws.join("config"), config).unwrap();
    let mut tool = desk.tool(words);
    tool.env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("HOME", desk.folder.path())
        .env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE);
    tool
}

/// One sentence, exit code 1, and nothing was asked.
fn is_one_sentence(said: &Said, what: &str) {
    assert_eq!(
        (said.code, said.out.as_str()),
        (1, ""),
        "{what}: {}",
        said.err
    );
    assert!(said.err.starts_with("error: "), "{what}: {}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{what}: {}", said.err);
    for word in ["dispatch", "Error {", "source:", "chain"] {
        assert!(!said.err.contains(word), "{what}: {}", said.err);
    }
}

#[tokio::test]
async fn without_credentials_every_command_says_so_once_and_how_to_come_by_some() {
    let desk = desk().await;
    for command in commands() {
        let said = said(at_home(&desk, &command)).await;
        is_one_sentence(&said, &command.join(" "));
        assert!(
            said.err
                .contains("error: there are no credentials: give a --profile")
        );
        assert_eq!(desk.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_machine_without_credentials_need_not_be_one_of_ec2s() {
    let desk = desk().await;
    let forbids = a_server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for metadata in ["http://127.0.0.1:1", &forbids, &silent] {
        for (profile, told) in [
            (None, "error: there are no credentials: give a --profile"),
            (
                Some("empty"),
                "error: there is no profile empty with credentials",
            ),
        ] {
            let mut tool = at_home(&desk, &["plan"]);
            tool.env_remove("AWS_EC2_METADATA_DISABLED")
                .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
                .envs(profile.map(|profile| ("AWS_PROFILE", profile)));
            let mut said = said(tool).await;
            let waiting = said.err.lines().filter(|line| !line.starts_with("note: "));
            said.err = waiting.collect::<Vec<_>>().join("\n");
            is_one_sentence(&said, metadata);
            assert!(said.err.starts_with(told), "{metadata}: {}", said.err);
        }
    }
}

#[tokio::test]
async fn a_profile_that_there_is_not_is_what_is_wrong_and_not_its_region() {
    let desk = desk().await;
    for (profile, told) in [
        ("nope", "error: there is no profile nope; give a --profile"),
        ("half", "error: no Region; give --region"),
    ] {
        let mut tool = at_home(&desk, &["plan", "--profile", profile]);
        tool.env_remove("AWS_REGION");
        let said = said(tool).await;
        is_one_sentence(&said, profile);
        assert!(said.err.starts_with(told), "{}", said.err);
    }
}

/// A helper that takes its time, and counts how often it is asked; and what a plan says
/// with its credentials, which expire at that time.
async fn with_a_slow_helper(desk: &Desk, expiration: &str) -> (Said, usize) {
    let helper = format!(
        r#"echo asked >> asked.txt; sleep 2.3
        echo '{{"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test",
               "SessionToken": "test", "Expiration": "{expiration}"}}'"#
    );
    desk.write("helper.sh", &helper);
    desk.write("asked.txt", "");
    let words = ["plan", "--profile", "slow", "--expect-account", ACCOUNT];
    let said = said(at_home(desk, &words)).await;
    let times = desk.read("asked.txt").lines().count();
    (said, times)
}

#[tokio::test]
async fn credentials_that_take_long_are_waited_for_with_a_word_and_got_once() {
    let desk = desk().await;
    let (said, times) = with_a_slow_helper(&desk, "2099-01-01T00:00:00Z").await;
    assert_eq!(said.code, 2, "{}", said.err);
    assert_eq!(said.place, Some(place(&desk, ACCOUNT)));
    let waiting = "note: waiting for the credentials of profile slow";
    let told = said.err.lines().filter(|line| *line == waiting);
    assert_eq!((told.count(), times), (1, 1), "{}", said.err);
}

#[tokio::test]
async fn credentials_that_expire_are_got_anew() {
    let desk = desk().await;
    let soon = chrono::Utc::now() + Duration::from_secs(9);
    let soon = soon.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (said, times) = with_a_slow_helper(&desk, &soon).await;
    assert!(times > 1, "{}", said.err);
}

#[tokio::test]
async fn an_expected_account_is_waited_for() {
    let desk = desk().await;
    let slow = FaultKind::Latency(Duration::from_secs(3));
    desk.emulator.world().faults.add(Fault::on("sts", slow));
    let said = desk.run(&["plan", "--expect-account", ACCOUNT]).await;
    assert_eq!(said.code, 2, "{}", said.err);
    assert_eq!(said.place, Some(place(&desk, ACCOUNT)));
}

#[tokio::test]
async fn what_is_wrong_with_a_profile_is_told_with_its_cure() {
    let desk = desk().await;
    for (profile, why, cure) in [
        (
            "expired",
            "has expired",
            "`aws sso login --profile expired`",
        ),
        ("corp", "there is none", "`aws sso login --profile corp`"),
        (
            "through",
            "has expired",
            "`aws sso login --profile expired`",
        ),
        ("login", "there is none", "`aws login --profile login`"),
        ("half", "missing aws_secret_access_key", "--profile"),
        (
            "empty",
            "no profile empty with credentials",
            "aws configure list-profiles",
        ),
        (
            "missing",
            "no profile missing with credentials",
            "aws configure list-profiles",
        ),
        ("away", "nowhere", "aws configure list-profiles"),
        ("process", "exit status: 1", "aws sso login"),
    ] {
        let by_flag = at_home(&desk, &["plan", "--profile", profile]);
        let mut by_variable = at_home(&desk, &["report"]);
        by_variable.env("AWS_PROFILE", profile);
        for tool in [by_flag, by_variable] {
            let said = said(tool).await;
            is_one_sentence(&said, profile);
            assert!(
                said.err.contains(why) && said.err.contains(cure),
                "{profile}: {}",
                said.err
            );
        }
    }
    let mut half = at_home(&desk, &["adopt"]);
    half.env("AWS_ACCESS_KEY_ID", "AKIA");
    let half = said(half).await;
    is_one_sentence(&half, "half of the variables");
    assert!(half.err.contains("AWS_SECRET_ACCESS_KEY"), "{}", half.err);
}

#[tokio::test]
async fn credentials_that_aws_refuses_stop_every_command() {
    for (code, cure) in [
        ("ExpiredToken", "they have expired: `aws sso login`"),
        (
            "InvalidClientTokenId",
            "AWS does not know them: see AWS_ACCESS_KEY_ID",
        ),
    ] {
        let desk = desk().await;
        let kind = FaultKind::Refuse {
            code: code.to_owned(),
            message: "The security token included in the request is no good".to_owned(),
        };
        desk.emulator.world().faults.add(Fault::on("sts", kind));
        for command in commands() {
            let said = desk.run(&command).await;
            is_one_sentence(&said, &command.join(" "));
            assert!(
                said.err.contains(code) && said.err.contains(cure),
                "{}",
                said.err
            );
            assert_eq!(desk.calls(), Vec::<String>::new(), "{command:?}");
        }
    }
}

#[tokio::test]
async fn where_nobody_answers_every_command_says_so_once() {
    let desk = desk().await;
    let without_a_table = vec!["mapping", "list"];
    let by_name = vec!["history", "--function", "studio-sync-Function-ABC"];
    let more = [without_a_table, by_name];
    for (number, command) in more.into_iter().chain(commands()).enumerate() {
        let mut tool = desk.tool(&command);
        for service in [
            "EMR",
            "IDENTITYSTORE",
            "STS",
            "LAMBDA",
            "CLOUDFORMATION",
            "CLOUDWATCH_LOGS",
        ] {
            tool.env_remove(format!("AWS_ENDPOINT_URL_{service}"));
        }
        tool.env("IDENTITY_STORE_ID", STORE);
        if number > 0 {
            tool.env("POLICY_TABLE", "policy.json");
        }
        let said = said(tool).await;
        is_one_sentence(&said, &command.join(" "));
        for part in [
            "does not answer at http://127.0.0.1:9",
            "refused",
            "AWS_ENDPOINT_URL",
        ] {
            assert!(said.err.contains(part), "{command:?}: {}", said.err);
        }
    }
}

#[tokio::test]
async fn a_region_that_there_is_not_is_told_once() {
    let desk = desk().await;
    let mut tool = desk.tool(&["plan", "--region", "us-esat-1"]);
    for service in ["", "_EMR", "_IDENTITYSTORE", "_STS"] {
        tool.env_remove(format!("AWS_ENDPOINT_URL{service}"));
    }
    tool.env("POLICY_TABLE", "policy.json")
        .env("IDENTITY_STORE_ID", STORE);
    let said = said(tool).await;
    is_one_sentence(&said, "us-esat-1");
    assert!(
        said.err.contains("see that us-esat-1 is the right Region"),
        "{}",
        said.err
    );
}

/// `mapping list` knows the names that mappings were made under, the function has its
/// own store, and its log is of another.
fn needs_the_store(words: &[&str]) -> bool {
    !matches!(words, ["mapping", "list"] | ["remote" | "history", ..])
}

#[tokio::test]
async fn an_identity_store_that_is_elsewhere_is_told_once() {
    let desk = desk().await;
    let commands = commands().into_iter();
    for command in commands.filter(|words| needs_the_store(words)) {
        let mut tool = desk.tool(&command);
        tool.env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", "d-0000000000");
        let said = said(tool).await;
        is_one_sentence(&said, &command.join(" "));
        assert!(
            said.err.contains("d-0000000000 is no identity store"),
            "{}",
            said.err
        );
        assert!(said.err.contains("--identity-store-region"), "{}", said.err);
    }
}

/// Somebody who answers, and is not AWS.
fn a_web_server() -> String {
    a_server(
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\
         Connection: close\r\n\r\n<p>Hi</p>",
    )
}

fn a_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

/// A server of which the first answer takes its time, and may be another.
fn a_server_that(takes: Duration, first: &'static str, then: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let answers = [first].into_iter().chain(std::iter::repeat(then));
        for (number, (stream, answer)) in listener.incoming().zip(answers).enumerate() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                if number == 0 {
                    std::thread::sleep(takes);
                }
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    url
}

/// The services that a command needs, as their variables name them.
fn needed(words: &[&str]) -> Vec<&'static str> {
    let mut needed = vec!["STS"];
    needed.extend_from_slice(match words {
        ["remote", _, "--stack", ..] => &["LAMBDA", "CLOUDFORMATION"],
        ["remote", ..] => &["LAMBDA"],
        ["history", .., "--at", _] => {
            &["CLOUDFORMATION", "CLOUDWATCH_LOGS", "EMR", "IDENTITYSTORE"]
        }
        ["history", ..] => &["CLOUDFORMATION", "CLOUDWATCH_LOGS"],
        ["mapping", "list"] => &["EMR"],
        _ => &["EMR", "IDENTITYSTORE"],
    });
    needed
}

#[tokio::test]
async fn what_answers_but_is_not_aws_is_told_once() {
    let desk = desk().await;
    let url = a_web_server();
    for command in commands() {
        for service in needed(&command) {
            let variable = format!("AWS_ENDPOINT_URL_{service}");
            let mut tool = desk.tool(&command);
            tool.env(&variable, &url)
                .env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE);
            let said = said(tool).await;
            let what = format!("{} and {variable}", command.join(" "));
            is_one_sentence(&said, &what);
            let cure = format!("answers, but not as AWS does; correct {variable}, or unset it");
            assert!(said.err.contains(&cure), "{what}: {}", said.err);
            assert!(said.err.contains(&url), "{what}: {}", said.err);
        }
    }
    assert_eq!(desk.mappings(), Vec::<String>::new());
}

#[tokio::test]
async fn whatever_a_web_server_answers_it_is_not_aws_and_whatever_aws_answers_it_is() {
    let desk = desk().await;
    let plan = async |service: &str, url: &str| {
        let mut tool = desk.tool(&["plan"]);
        tool.env(format!("AWS_ENDPOINT_URL_{service}"), url)
            .env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE);
        said(tool).await.err
    };
    for (answer, is_aws) in [
        ("200 OK\r\nContent-Type: text/html; charset=utf-8", false),
        ("403 Forbidden\r\nContent-Type: text/html", false),
        (
            "404 Not Found\r\nContent-Type: text/plain; charset=utf-8",
            false,
        ),
        (
            "404 Not Found\r\nContent-Type: text/html\r\nx-amzn-RequestId: 1",
            true,
        ),
        (
            "404 Not Found\r\nContent-Type: application/x-amz-json-1.1",
            true,
        ),
        ("404 Not Found", true),
        // What stands before AWS may have these.
        (
            "302 Found\r\nContent-Type: text/html\r\nLocation: https://aws.amazon.com",
            true,
        ),
        ("501 Unsupported method\r\nContent-Type: text/html", false),
        ("503 Service Unavailable", false),
        ("503 Service Unavailable\r\nx-amzn-RequestId: 1", true),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answer: &'static str = answer.leak();
        let told = plan("EMR", &a_server(answer)).await;
        assert_eq!(!told.contains("not as AWS does"), is_aws, "{told}");
        let is_for_sts = answer.contains("text/") && !answer.contains(" 302 ");
        if is_for_sts || answer.contains(" 503 ") {
            let told = plan("STS", &a_server(answer)).await;
            assert_eq!(!told.contains("not as AWS does"), is_aws, "{told}");
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_knocked_at_again() {
    let desk = desk().await;
    let (busy, aws) = (
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 404 No\r\nx-amzn-RequestId: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let silence = Duration::from_secs(5);
    for (first, takes, note) in [
        (busy, Duration::ZERO, ""),
        (aws, silence, "note: waiting for EMR to answer\n"),
    ] {
        let url = a_server_that(takes, first, aws);
        let mut tool = desk.tool(&["mapping", "list"]);
        tool.env("AWS_ENDPOINT_URL_EMR", url);
        let said = said(tool).await;
        // Somebody is there, and knows no Studios.
        let begin = format!("{note}error: ListStudios failed");
        assert!(said.err.starts_with(&begin), "{}", said.err);
    }
}

#[tokio::test]
async fn an_empty_variable_is_an_unset_one() {
    let desk = desk().await;
    let url = desk.emulator.url();
    let of_aws = [
        "AWS_ENDPOINT_URL_EMR",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_IDENTITYSTORE",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_USE_FIPS_ENDPOINT",
        "IDENTITY_STORE_REGION",
    ];
    for empty in ["", " "] {
        for names in of_aws.iter().map(std::slice::from_ref).chain([&of_aws[..]]) {
            let mut tool = desk.tool(&["plan"]);
            tool.env("AWS_ENDPOINT_URL", &url)
                .env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE)
                .envs(names.iter().map(|name| (name, empty)));
            let said = said(tool).await;
            assert_eq!(said.code, 2, "{names:?}: {}", said.err);
            assert_eq!(said.place, Some(place(&desk, ACCOUNT)), "{names:?}");
        }
    }
    let mut tool = desk.tool(&["mapping", "list"]);
    tool.envs([("POLICY_TABLE", ""), ("AWS_ENDPOINT_URL", "")]);
    let without_a_table = said(tool).await;
    assert_eq!(without_a_table.code, 0, "{}", without_a_table.err);
    for (name, told) in [
        ("IDENTITY_STORE_ID", "error: no identity store: give"),
        ("AWS_REGION", "error: no Region; give --region"),
        ("AWS_ACCESS_KEY_ID", "error: there are no credentials"),
    ] {
        let mut tool = at_home(&desk, &["plan"]);
        tool.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ])
        .env(name, "");
        let said = said(tool).await;
        is_one_sentence(&said, name);
        assert!(said.err.starts_with(told), "{name}: {}", said.err);
    }
    for command in commands().iter().chain([&vec!["doctor"]]) {
        let mut tool = desk.tool(command);
        tool.env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE)
            .env("AWS_ENDPOINT_URL", "");
        let said = said(tool).await;
        assert_ne!(said.code, 101, "{command:?}: {}", said.err);
    }
}

#[tokio::test]
async fn credentials_that_no_request_can_bear_are_refused() {
    let desk = desk().await;
    let told = |name: &str, which: &str| {
        format!("error: the credentials are not whole, or cannot be got: {name} has {which} in it")
    };
    for (name, value, strange) in [
        ("AWS_ACCESS_KEY_ID", "a\r", r"\u{d}"),
        ("AWS_SECRET_ACCESS_KEY", "a\nb", r"\u{a}"),
        ("AWS_SESSION_TOKEN", "a\u{e9}", r"\u{e9}"),
    ] {
        for command in commands() {
            let mut tool = desk.tool(&command);
            tool.env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE)
                .env(name, value);
            let said = said(tool).await;
            is_one_sentence(&said, &command.join(" "));
            assert!(said.err.starts_with(&told(name, strange)), "{}", said.err);
        }
    }
    desk.write(
        "helper.sh",
        r#"printf '{"Version": 1, "AccessKeyId": "a\\nb", "SecretAccessKey": "test"}'"#,
    );
    let said = said(at_home(&desk, &["plan", "--profile", "slow"])).await;
    is_one_sentence(&said, "slow");
    assert!(
        said.err.contains(r"the access key id has \u{a} in it"),
        "{}",
        said.err
    );
    assert_eq!(desk.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_a_region_is_refused_with_where_it_stands() {
    let desk = desk().await;
    for (given, cure) in [
        ("us-east-1 ", "did you mean us-east-1?"),
        ("us_east_1", "did you mean us-east-1?"),
        ("US-East-1", "did you mean us-east-1?"),
        ("x\ny", "one looks like eu-west-1"),
        ("eu", "one looks like eu-west-1"),
    ] {
        let config = format!("[default]\nregion = {given}\n");
        desk.write("config", &config);
        for (flag, variable, place) in [
            (Some("--region"), None, "--region"),
            (
                Some("--identity-store-region"),
                None,
                "--identity-store-region",
            ),
            (None, Some("AWS_REGION"), "AWS_REGION"),
            (None, Some("AWS_DEFAULT_REGION"), "AWS_DEFAULT_REGION"),
            (None, Some("IDENTITY_STORE_REGION"), "IDENTITY_STORE_REGION"),
            (None, None, "region in the profile"),
        ] {
            // A file of settings has no room for these.
            if place.contains("profile") && given.contains(['\n', ' ']) {
                continue;
            }
            let mut words = vec!["plan"];
            words.extend(flag.map(|flag| [flag, given]).into_iter().flatten());
            let mut tool = desk.tool(&words);
            tool.env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE)
                .env("AWS_CONFIG_FILE", desk.folder.path().join("config"));
            if !place.to_lowercase().contains("store") {
                tool.env_remove("AWS_REGION");
            }
            tool.envs(variable.map(|variable| (variable, given)));
            let said = said(tool).await;
            is_one_sentence(&said, place);
            let told = format!("error: {place}: {} is not a Region; {cure}", quoted(given));
            assert_eq!(said.err, told);
        }
    }
    for command in commands() {
        let mut tool = desk.tool(&command);
        tool.env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE)
            .env("AWS_REGION", "us_east_1");
        let said = said(tool).await;
        is_one_sentence(&said, &command.join(" "));
        assert!(said.err.contains("did you mean us-east-1?"), "{}", said.err);
    }
    assert_eq!(desk.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_the_url_of_an_endpoint_is_refused_with_its_variable() {
    let desk = desk().await;
    for (variable, service, given) in [
        ("AWS_ENDPOINT_URL_EMR", "EMR", "notaurl"),
        ("AWS_ENDPOINT_URL_STS", "STS", "127.0.0.1:4566"),
        (
            "AWS_ENDPOINT_URL_IDENTITYSTORE",
            "identitystore",
            "localhost:4566",
        ),
        ("AWS_ENDPOINT_URL_LAMBDA", "Lambda", "http://"),
        (
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
            "CloudWatch Logs",
            "http://a\nb",
        ),
    ] {
        for command in commands() {
            let mut tool = desk.tool(&command);
            tool.env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE)
                .env(variable, given);
            let said = said(tool).await;
            is_one_sentence(&said, &command.join(" "));
            let told = format!(
                "error: {}, where {service} should be, is not a URL (https://…); correct \
                 {variable}, or unset it",
                quoted(given)
            );
            assert_eq!(said.err, told);
        }
    }
}

#[tokio::test]
async fn a_region_without_studios_is_perhaps_the_wrong_one() {
    let desk = Desk::new(World::default()).await;
    for command in [&["adopt"][..], &["mapping", "list"]] {
        let mut tool = desk.tool(command);
        tool.env("IDENTITY_STORE_ID", STORE);
        let said = said(tool).await;
        is_one_sentence(&said, command[0]);
        let told = "this account has no Studios in us-east-1: if they are in another Region, give \
                    --region or set AWS_REGION";
        assert!(said.err.contains(told), "{}", said.err);
    }
    let studio = ["--studio", ANALYTICS];
    for command in [
        &["mapping", "list"][..],
        &[
            "mapping",
            "get",
            "--user-id",
            "00000000-0000-4000-8000-000000000000",
        ],
    ] {
        let said = said(desk.tool(&[command, &studio].concat())).await;
        assert!(
            said.err
                .ends_with("; check --studio, --region and --profile"),
            "{}",
            said.err
        );
    }
}

#[tokio::test]
async fn expired_credentials_are_told_once_where_sts_is_out_of_reach() {
    let expired = |on: &str| {
        let kind = FaultKind::Refuse {
            code: "ExpiredTokenException".to_owned(),
            message: "The security token included in the request is expired".to_owned(),
        };
        Fault::on(on, kind)
    };
    let told = "error: the credentials are refused (ExpiredTokenException: The security token \
                included in the request is expired): they have expired: `aws sso login`";
    let desk = desk().await;
    desk.emulator.world().faults.rules = vec![
        Fault::on("sts", FaultKind::DropBefore),
        expired("emr"),
        expired("identitystore"),
    ];
    for command in commands() {
        let said = desk.run(&command).await;
        is_one_sentence(&said, &command.join(" "));
        assert!(said.err.starts_with(told), "{command:?}: {}", said.err);
    }
    // Where EMR is out of reach too, it is the service that a command is about.
    for (words, call) in [
        (
            "remote status --function studio-sync-Function-ABC",
            "Invoke",
        ),
        ("remote status --stack studio-sync", "DescribeStackResource"),
        ("history --stack studio-sync", "FilterLogEvents"),
    ] {
        desk.emulator.world().faults.rules = vec![expired(call)];
        let mut tool = desk.tool(&words.split(' ').collect::<Vec<_>>());
        tool.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
            .env("AWS_ENDPOINT_URL_EMR", "http://127.0.0.1:9");
        let said = said(tool).await;
        is_one_sentence(&said, words);
        assert!(said.err.starts_with(told), "{words}: {}", said.err);
    }
}

#[tokio::test]
async fn an_account_is_expected_as_the_console_shows_it_too() {
    let desk = desk().await;
    let said = desk
        .run(&["plan", "--expect-account", "1111-2222-3333"])
        .await;
    assert_eq!(said.code, 2, "{}", said.err);
    for wrong in ["11112222333", "1111-2222-333x", ""] {
        let said = desk.run(&["plan", "--expect-account", wrong]).await;
        let told = "that is not the id of an account: it has twelve digits";
        assert_eq!(said.code, 1, "{wrong}");
        assert!(said.err.contains(told) || wrong.is_empty(), "{}", said.err);
    }
}

#[tokio::test]
async fn a_name_that_begins_as_flags_do_is_told_how_to_be_given() {
    let desk = desk().await;
    for words in [
        &["explain", "--user", "-x@example.com"][..],
        &["mapping", "list", "--group", "-x@example.com"],
        &["history", "--stack", "x", "--user", "-x@example.com"],
    ] {
        let said = desk.run(words).await;
        let (flag, name) = (words[words.len() - 2], words[words.len() - 1]);
        let tip = format!("tip: a name that begins with a dash is given so: {flag}={name}");
        assert!(said.err.ends_with(&tip), "{}", said.err);
    }
    let said = desk.run(&["explain", "--user=-x@example.com"]).await;
    assert!(
        said.err.contains("no USER of that name"),
        "{}{}",
        said.out,
        said.err
    );
    let said = desk.run(&["plan", "--detailed", "-x"]).await;
    assert!(!said.err.contains("tip: a name"), "{}", said.err);
}

#[tokio::test]
async fn the_variable_that_leads_astray_is_the_one_that_is_named() {
    let desk = desk().await;
    let home = desk.folder.path().join("profile");
    std::fs::write(&home, "[default]\nendpoint_url = http://emr.invalid\n").unwrap();
    let of_all = ("AWS_ENDPOINT_URL", "http://emr.invalid");
    let of_emr = ("AWS_ENDPOINT_URL_EMR", "http://emr.invalid");
    let file = ("AWS_CONFIG_FILE", home.to_str().unwrap());
    for (variables, cure) in [
        (&[of_all][..], "; correct AWS_ENDPOINT_URL, or unset it"),
        (
            &[of_all, of_emr],
            "; correct AWS_ENDPOINT_URL_EMR, or unset it",
        ),
        (&[file], "; correct endpoint_url in the profile"),
    ] {
        let mut tool = desk.tool(&["plan"]);
        tool.env_remove("AWS_ENDPOINT_URL")
            .env_remove("AWS_ENDPOINT_URL_EMR")
            .envs(variables.iter().copied())
            .env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE);
        let said = said(tool).await;
        is_one_sentence(&said, cure);
        let begin = "error: EMR does not answer at http://emr.invalid: dns error";
        assert!(said.err.starts_with(begin), "{}", said.err);
        assert!(said.err.ends_with(cure), "{}", said.err);
    }
}

#[tokio::test]
async fn where_sts_has_to_answer_it_is_told_that_it_does_not() {
    let desk = desk().await;
    let away = table(|table| {
        let role = "arn:aws:iam::222233334444:role/studio-sync";
        table["studios"]["science"]["role_arn"] = role.into();
    });
    desk.write("away.json", &away.to_string());
    for words in [
        "plan --expect-account 111122223333",
        "plan --table away.json",
        "check --live away.json",
    ] {
        let mut tool = desk.tool(&words.split(' ').collect::<Vec<_>>());
        tool.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
            .env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE);
        let said = said(tool).await;
        is_one_sentence(&said, words);
        let told = "error: STS does not answer at http://127.0.0.1:9: ";
        assert!(said.err.starts_with(told), "{words}: {}", said.err);
        assert!(said.err.contains("AWS_ENDPOINT_URL_STS"), "{}", said.err);
    }
}

#[tokio::test]
async fn doctor_finds_which_service_is_not_where_it_is_looked_for() {
    let desk = desk().await;
    for url in [&a_web_server(), "http://127.0.0.1:9"] {
        for (service, about) in [
            ("STS", "credentials"),
            ("IDENTITYSTORE", "identity store"),
            ("EMR", "EMR"),
        ] {
            let mut tool = desk.tool(&["doctor"]);
            let variable = format!("AWS_ENDPOINT_URL_{service}");
            tool.env(&variable, url)
                .env("POLICY_TABLE", "policy.json")
                .env("IDENTITY_STORE_ID", STORE);
            let said = said(tool).await;
            assert_eq!(said.code, 1, "{}", said.out);
            let mut lines = said.out.lines();
            let astray: Vec<&str> = lines.by_ref().filter(|line| line.contains(url)).collect();
            let [line] = astray[..] else {
                panic!("{variable}: {}", said.out)
            };
            let cure = format!("— correct {variable}, or unset it");
            assert!(line.starts_with(&format!("problem  {about}")), "{line}");
            assert!(line.ends_with(&cure), "{line}");
        }
    }
}

#[tokio::test]
async fn doctor_finds_which_setting_leads_nowhere() {
    let desk = desk().await;
    for (variable, value, found) in [
        (
            "AWS_REGION",
            "us_east_1",
            "AWS_REGION: \"us_east_1\" is not a Region",
        ),
        ("AWS_PROFILE", "nosuch", "there is no profile nosuch"),
        (
            "AWS_ENDPOINT_URL_IAM",
            "here",
            "\"here\", where IAM should be, is not a URL",
        ),
    ] {
        let mut tool = at_home(&desk, &["doctor"]);
        if variable == "AWS_PROFILE" {
            tool.env_remove("AWS_REGION");
        }
        tool.env(variable, value);
        let said = said(tool).await;
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{variable}");
        let line = format!("problem  settings  {found}");
        assert!(said.out.starts_with(&line), "{}", said.out);
        assert!(said.out.contains(" — "), "{}", said.out);
        assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    }
}

/// What docs/troubleshooting.md has the tool say where no command works.
#[tokio::test]
async fn the_page_for_those_for_whom_no_command_works_quotes_what_is_said() {
    let page = include_str!("../../docs/troubleshooting.md");
    let (_, section) = page.split_once("\n## No command works\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let quotes: Vec<&str> = rows.map(|row| row.split_once("` |").unwrap().0).collect();

    let desk = desk().await;
    let mut all = Vec::new();
    for arguments in [
        &["plan"][..],
        &["plan", "--profile", "corp"],
        &["plan", "--profile", "corpp"],
    ] {
        all.push(said(at_home(&desk, arguments)).await.err);
    }
    all.push(
        with_a_slow_helper(&desk, "2099-01-01T00:00:00Z")
            .await
            .0
            .err,
    );
    let with = |name: &str, value: &str| {
        let mut tool = desk.tool(&["plan"]);
        tool.env("POLICY_TABLE", "policy.json")
            .env("IDENTITY_STORE_ID", STORE)
            .env(name, value);
        said(tool)
    };
    all.push(with("AWS_ENDPOINT_URL_EMR", "http://127.0.0.1:9").await.err);
    all.push(with("AWS_ENDPOINT_URL_STS", &a_web_server()).await.err);
    all.push(with("AWS_ENDPOINT_URL_EMR", "localhost:4566").await.err);
    all.push(with("AWS_REGION", "us_east_1").await.err);
    all.push(with("AWS_SECRET_ACCESS_KEY", "a\r").await.err);
    all.push(with("IDENTITY_STORE_ID", "d-0000000000").await.err);
    all.push(
        desk.run(&["plan", "--expect-account", "999988887777"])
            .await
            .err,
    );
    let expired = FaultKind::Refuse {
        code: "ExpiredToken".to_owned(),
        message: "The security token included in the request is expired".to_owned(),
    };
    desk.emulator.world().faults.add(Fault::on("sts", expired));
    all.push(desk.run(&["plan"]).await.err);
    assert_eq!(quotes.len(), all.len());
    for quote in quotes {
        assert!(
            all.iter().any(|said| said.contains(quote)),
            "{quote}: {all:#?}"
        );
    }
}
