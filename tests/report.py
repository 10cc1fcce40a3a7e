"""The page of `report`, in a real browser: that it asks nobody for anything, that its
filters filter, that it is light and dark, whole without scripts and on paper; of a small
company and of a large one.

    python tests/report.py TOOL [CHROMIUM [FOLDER]]

What it looks at is left in the folder: the pages, pictures of them, and their prints.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect as eventually
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
SHOWN = ".person:not([hidden])"
ENTRIES = f"{SHOWN} li:not([hidden])"


def page_of(tool: str, table: Path, directory: Path, code: int = 0) -> str:
    """The report of a directory, as the tool writes it."""
    emulate = subprocess.Popen(
        [tool, "emulate", "--listen", "127.0.0.1:0", "--directory", directory],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        exports = " ".join(emulate.stdout.readline().removeprefix("export ").strip() for _ in range(3))
        environment = dict(pair.split("=", 1) for pair in exports.split())
        report = subprocess.run(
            [tool, "report", "--table", table, "--output", "html"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            # What it says of what it could not read is no news here.
            stderr=subprocess.DEVNULL if code else None,
            text=True,
        )
        expect("the exit code of report", report.returncode, code)
        return report.stdout
    finally:
        emulate.terminate()
        emulate.wait()


# So many people and Studios has the large company.
PEOPLE, STUDIOS = 3000, 30


def large(folder: Path) -> tuple[Path, Path]:
    """The table and the directory of a large company. Everybody is in a group that may
    open every Studio, and a hundredth of them have each Studio to themselves; a tenth are
    disabled; and forty have gone."""
    first = "Ada Bruno Chiara Daniel Elif Farid Greta Hana Igor Julia Kofi Lena Marek Nora Omar Petra".split()
    last = "Okafor Costa Novak Huber Sato Evans Becker Ito Petrov Rossi Mensah Fischer Brandt Keller".split()
    name = lambda n: f"{first[n % 16]}.{last[n // 16 % 14]}{n // 224}@example.com".lower()
    arn = "arn:aws:iam::111122223333:policy/studio-"
    studio = lambda n: f"es-{n:025}"
    directory = ['identity_store_id = "d-1234567890"']
    for n in range(PEOPLE):
        directory.append(f'[[users]]\nname = "{name(n)}"\nenabled = {str(n % 10 != 3).lower()}')
    share = PEOPLE // STUDIOS
    groups = {"everybody": range(PEOPLE)}
    groups |= {f"team-{n:02}": range(share * n, share * (n + 1)) for n in range(STUDIOS)}
    for group, members in groups.items():
        directory.append(f'[[groups]]\nname = "{group}"\nmembers = {[name(n) for n in members]}')
    pace = {"emr_per_second": 2000, "emr_burst": 2000, "identity_store_per_second": 2000}
    table = ["[pace]", *(f"{key} = {value}" for key, value in pace.items())]
    table += ["[session_policies]", *(f'{one} = "{arn}{one}"' for one in ("engineer", "viewer"))]
    for n in range(STUDIOS):
        table.append(f'[studios.studio-{n:02}]\nid = "{studio(n)}"')
    mapped = lambda whom, policy, month, year=2025: (
        f'[[studios.mappings]]\n{whom}\nsession_policy = "{arn}{policy}"\ncreated = "{year}-{month:02}-15T09:00:00Z"'
    )
    for n in range(STUDIOS):
        for group, policy, assign in [(f"team-{n:02}", "engineer", "members"), ("everybody", "viewer", "group")]:
            table.append(
                f'[[rules]]\ngroup = "{group}"\nstudio = "studio-{n:02}"\n'
                f'session_policy = "{policy}"\nassign = "{assign}"'
            )
        directory.append(f'[[studios]]\nid = "{studio(n)}"\nuser_limit = 200')
        directory.append(mapped('group = "everybody"', "viewer", 1 + n % 12))
        directory += [mapped(f'user = "{name(user)}"', "engineer", 1 + n % 7) for user in groups[f"team-{n:02}"]]
        if n == 0:
            gone = [f'user_id = "0a1b2c3d-1001-7001-8001-{99000 + n:012}"\nname = "gone-{n:02}"' for n in range(40)]
            directory += [mapped(whom, "engineer", 2, 2026) for whom in gone]
    files = folder / "policy.toml", folder / "directory.toml"
    for file, lines in zip(files, (table, directory)):
        file.write_text("\n\n".join(lines))
    return files


def look(browser, address: str, **how):
    """Opens the page; every request and every complaint is a failure."""
    page = browser.new_context(**how).new_page()
    page.on("request", lambda request: request.url == address or fail(f"it asks for {request.url}"))
    page.on("console", lambda message: fail(f"the browser says: {message.text}"))
    page.on("pageerror", lambda error: fail(f"the script says: {error}"))
    page.goto(address)
    return page


def fail(why: str):
    sys.exit(f"error: {why}")


def expect(what: str, found, wanted):
    if found != wanted:
        fail(f"{what}: {found!r}, and not {wanted!r}")


def names(page) -> list[str]:
    return [who.split("\n")[0] for who in page.locator(f"{SHOWN} th").all_inner_texts()]


def check(browser, address: str):
    page = look(browser, address)
    people, entries = page.locator(SHOWN).count(), page.locator(ENTRIES).count()
    expect("all are shown at first", (people, entries), (15, 24))
    told = page.locator("#shown")
    expect("and counted", told.inner_text(), "15 rows, 24 entries")

    page.fill("#text", "amelia")
    expect("a name", names(page), ["amelia.okafor@example.com"])
    expect("its count", told.inner_text(), "1 of 15 rows, 2 of 24 entries")
    page.fill("#text", "amelia science")
    expect("two words, both of them", page.locator(ENTRIES).count(), 1)
    page.fill("#text", "nobody at all")
    expect("nobody", (names(page), page.locator("#nothing").is_visible()), ([], True))
    page.click("button[type=reset]")
    eventually(told).to_have_text("15 rows, 24 entries")

    page.select_option("#studio", label="finance")
    wanted = ["farid.evans", "igor.petrov", "kofi.mensah", "lena.fischer"]
    expect("one Studio", names(page), [f"{name}@example.com" for name in wanted])
    expect("and no other's column", page.locator("#matrix thead th:visible").count(), 2)
    page.click("button[type=reset]")

    page.get_by_role("button", name="Show only these").first.click()
    eventually(told).to_have_text("1 of 15 rows, 1 of 24 entries")
    expect("a finding", names(page), ["0a1b2c3d-1001-7001-8001-00000000d099"])
    page.click("button[type=reset]")

    page.select_option("#order", label="oldest first")
    expect("the oldest first", names(page)[0], "break-glass@example.com")

    lightness = "(e => { let [r, g, b] = getComputedStyle(e).backgroundColor.match(/[0-9.]+/g); return (+r + +g + +b) / 3 })(document.documentElement)"
    light = look(browser, address, color_scheme="light").evaluate(lightness)
    dark = look(browser, address, color_scheme="dark").evaluate(lightness)
    if not (light > 200 and dark < 60):
        fail(f"light is {light} of 255 and dark {dark}")

    plain = look(browser, address, java_script_enabled=False)
    expect("without scripts", plain.locator("#matrix .person li:visible").count(), 24)
    expect("and without what needs them", plain.locator("#filters:visible, button:visible").count(), 0)

    narrow = look(browser, address, viewport={"width": 390, "height": 800})
    wide = narrow.evaluate("document.documentElement.scrollWidth")
    expect("on a telephone nothing sticks out", wide <= 390, True)


def check_incomplete(browser, address: str):
    page = look(browser, address)
    told = lambda: [page.locator(f"#{one}").is_visible() for one in ("nothing", "unread")]
    expect("of all Studios", told(), [False, False])
    page.select_option("#studio", label="unheard-of")
    expect("of the Studio that could not be read", told(), [False, True])
    page.fill("#text", "nobody at all")
    expect("nobody can be found in it", told(), [False, True])
    page.select_option("#studio", label="finance")
    expect("nor in another", told(), [True, False])
    page.click("button[type=reset]")
    eventually(page.locator("#nothing")).to_be_hidden()
    expect("of all Studios again", told(), [False, False])


def print_of(page, file: Path) -> int:
    """Prints the page, and says on how many sheets."""
    pdf = page.pdf(path=file, prefer_css_page_size=True)
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


# Types, and waits until the page shows what that leads to.
TYPED = """async (text) => {
  const field = document.getElementById("text");
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
}"""


def typed(page, text: str) -> str:
    """What it takes the page to answer, of its own time: others may want the machine, too."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    took = lambda: {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]
    before = took()
    page.evaluate(TYPED, text)
    return f"{text!r} {1000 * (took() - before):.0f} ms"


def seen(page, what: str) -> int:
    """How many can be seen. Playwright's own `:visible` takes minutes over so many elements."""
    return page.evaluate("one => [...document.querySelectorAll(one)].filter((e) => e.checkVisibility()).length", what)


def check_large(browser, file: Path):
    grants = PEOPLE * (STUDIOS + 1) + 40
    bytes_a_grant = file.stat().st_size / grants
    expect(f"so many bytes for each grant, at most 70: {bytes_a_grant:.0f}", bytes_a_grant <= 70, True)
    page = look(browser, file.as_uri(), viewport={"width": 1400, "height": 1000})
    page.screenshot(path=file.with_suffix(".png"))
    told = page.locator("#shown")
    expect("everybody is there", told.inner_text(), f"{PEOPLE + 40} rows, {grants} entries")
    print("what is typed is answered after", ", ".join([typed(page, text) for text in ["b", "br", "", "z", "zz", ""]]))

    page.fill("#text", "bruno.costa0@example.com")
    expect("a name", names(page), ["bruno.costa0@example.com"])
    expect("a count", told.inner_text(), f"1 of {PEOPLE + 40} rows, {STUDIOS + 1} of {grants} entries")
    expect("what is alike is one entry", page.locator(ENTRIES).count(), 2)
    page.locator(f"{ENTRIES} summary").click()
    text = page.locator(ENTRIES).all_inner_texts()
    for n in range(STUDIOS):
        expect(f"Studio {n} is named", f"studio-{n:02} (rules[{2 * n + 1}], 2025-" in " ".join(text), True)
    page.select_option("#studio", label="studio-07")
    expect("of one Studio", told.inner_text(), f"1 of {PEOPLE + 40} rows, 1 of {grants} entries")
    page.fill("#text", "")
    page.select_option("#policy", label="engineer")
    expect("those who have it to themselves", page.locator(SHOWN).count(), PEOPLE // STUDIOS)
    page.screenshot(path=file.with_suffix(".studio.png"))
    page.click("button[type=reset]")
    eventually(told).to_have_text(f"{PEOPLE + 40} rows, {grants} entries")

    waiting = page.locator(".finding.no_rule li").first.inner_text()
    expect("what waits is named", waiting, "gone-00 studio-00 (held)")
    gone = page.locator(".finding.gone")
    expect("of many only ten are shown", seen(page, ".finding.gone li"), 10)
    gone.locator("summary").click()
    expect("and all after a click", seen(page, ".finding.gone li"), 40)

    page.select_option("#order", label="newest first")
    expect("the newest first", names(page)[0][:5], "gone-")
    page.click("button[type=reset]")

    plain = look(browser, file.as_uri(), java_script_enabled=False)
    expect("without scripts everybody is there", plain.locator(".person").count(), PEOPLE + 40)
    expect("and nothing that needs them", seen(plain, "#filters, button"), 0)
    plain.locator(".finding.gone summary").click()
    expect("a click is none of them", seen(plain, ".finding.gone li"), 40)

    paper = look(browser, file.as_uri())
    paper.emulate_media(media="print")
    expect("on paper nothing is behind a click", seen(paper, ".finding.gone li"), 40)
    expect("and what a group gives is said once", seen(paper, ".each"), 1)
    expect("nor a field to fill in", seen(paper, "form, button, summary"), 0)
    sheets = print_of(paper, file.with_suffix(".pdf"))
    print("printed on", sheets, "sheets")

    narrow = look(browser, file.as_uri(), viewport={"width": 390, "height": 800}, color_scheme="dark")
    wide = narrow.evaluate("document.documentElement.scrollWidth")
    expect("on a telephone nothing sticks out", wide <= 390, True)
    narrow.locator("#access").scroll_into_view_if_needed()
    narrow.screenshot(path=file.with_suffix(".narrow.png"))


def main():
    tool = str(Path(sys.argv[1]).resolve())
    chromium = sys.argv[2] if len(sys.argv) > 2 else shutil.which("chromium")
    example = ROOT / "docs/report"
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(sys.argv[3] if len(sys.argv) > 3 else temporary).resolve()
        file = folder / "access.html"
        file.write_text(page_of(tool, example / "policy.toml", example / "directory.toml"))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        check(browser, file.as_uri())
        print("a small company is printed on", print_of(look(browser, file.as_uri()), folder / "access.pdf"), "sheets")

        table = folder / "incomplete.toml"
        known = (example / "policy.toml").read_text()
        unknown = '[studios]\nunheard-of = { id = "es-NOWHERE" }'
        table.write_text(known.replace("[studios]", unknown, 1))
        incomplete = folder / "incomplete.html"
        incomplete.write_text(page_of(tool, table, example / "directory.toml", code=1))
        check_incomplete(browser, incomplete.as_uri())

        file = folder / "large.html"
        file.write_text(page_of(tool, *large(folder)))
        check_large(browser, file)
        browser.close()
    print("the report's page is as it should be, in", chromium)


if __name__ == "__main__":
    main()
