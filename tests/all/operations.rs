//! What docs/operations.md shows is what happens, one command after the other.

use crate::support;

use emr_studio_sync::emulator::World;
use support::desk::Desk;

const PAGE: &str = include_str!("../../docs/operations.md");

/// The times are those of the day on which it was played.
fn untimed(text: &str) -> String {
    let untimed = |line: &str| match line.get(..20) {
        Some(time) if time.ends_with('Z') => line[20..].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(untimed).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_command_on_the_page_needs_nothing_that_the_page_does_not_define() {
    for (place, _) in PAGE.match_indices("$(") {
        let (word, _) = PAGE[place + 2..].split_once([' ', ')']).unwrap();
        assert!(["aws", "emr-studio-sync"].contains(&word), "{word}");
    }
}

#[tokio::test]
async fn the_deployed_function_answers_as_the_page_shows() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let seed = World::from_toml(include_str!("../../events/directory.toml")).unwrap();
    let desk = Desk::new(seed.world).await;
    let blocks: Vec<&str> = PAGE
        .split("```console\n$ emr-studio-sync ")
        .skip(1)
        .collect();
    assert_eq!(blocks.len(), 5);
    for block in blocks {
        let (command, rest) = block.split_once('\n').unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        let here = command.replace("events/", &format!("{root}events/"));
        let said = desk.run(&here.split(' ').collect::<Vec<_>>()).await;
        let told = format!("{command}\n{}", untimed(&said.out));
        let expected = format!("{command}\n{}", untimed(shown));
        assert_eq!(told, expected, "{}", said.err);
    }
}
