//! Every link from one page of the documentation to another leads somewhere.

use std::path::{Path, PathBuf};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    let others = [
        "README.md",
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        ".github/SECURITY.md",
        "docs/table-repository/README.md",
    ];
    pages.extend(others.map(|page| root.join(page)));
    pages
}

/// The anchors that GitHub makes of a page's heads.
fn anchors(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let heads = text.lines().filter(|line| line.starts_with('#'));
    let anchors = heads.map(|head| {
        let head = head.trim_start_matches('#').trim().to_lowercase();
        let kept = head
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    });
    anchors.collect()
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_head_that_there_are() {
    let (mut links, mut lost) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            links += 1;
            let (file, head) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let leads = target.exists()
                && (head.is_empty() || anchors(&target).iter().any(|anchor| anchor == head));
            if !leads {
                lost.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 40, "{links}");
    assert!(lost.is_empty(), "{lost:#?}");
}
