//! docs/terraform.md: our part of the way over is as it is shown.

use crate::support;

use emr_studio_sync::emulator::World;
use support::desk::Desk;

const PAGE: &str = include_str!("../../docs/terraform.md");

#[tokio::test]
async fn who_comes_from_terraform_adopts_what_there_is_and_has_nothing_to_do() {
    let kept_by_hand = include_str!("../../events/existing.toml");
    let desk = Desk::new(World::from_toml(kept_by_hand).unwrap().world).await;
    let listed = || async { desk.run(&["mapping", "list", "--output", "csv"]).await.out };
    let before = listed().await;
    assert_eq!(before.lines().count(), 6, "{before}");

    let (_, block) = PAGE.split_once("```console\n").unwrap();
    let block = block.split("```").next().unwrap();
    let mut shown = block.lines().peekable();
    while let Some(line) = shown.next() {
        let command = line.strip_prefix("$ emr-studio-sync ").expect(line);
        let (command, file) = match command.split_once(" > ") {
            Some((command, file)) => (command, Some(file)),
            None => (command, None),
        };
        let words: Vec<&str> = command.split(' ').collect();
        let mut tool = desk.tool(&words);
        tool.env("IDENTITY_STORE_ID", support::STORE);
        let output = tokio::task::spawn_blocking(move || tool.output().unwrap());
        let output = output.await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(output.status.success(), "{line}: {}", text(output.stderr));
        let out = text(output.stdout);
        let mut expected = String::new();
        while let Some(line) = shown.next_if(|line| !line.starts_with("$ ")) {
            expected += &format!("{line}\n");
        }
        match file {
            Some(file) => desk.write(file, &out),
            // All that stands on standard output, but for where the embedded AWS is.
            None => assert_eq!(
                out.replace(&format!(", at {}", desk.emulator.url()), ""),
                expected,
                "{line}"
            ),
        }
    }
    // Nobody has lost or got anything.
    assert_eq!(listed().await, before);
}
