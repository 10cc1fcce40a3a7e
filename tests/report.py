"""The page of `report`, in a real browser: that it asks nobody for anything, that its
filters filter, that it is light and dark, and whole without scripts.

    python tests/report.py TOOL [CHROMIUM]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect as eventually
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
SHOWN = "#matrix .person:not([hidden])"
ENTRIES = "#matrix .person:not([hidden]) li:not([hidden])"


def page_of(tool: str, table: str = "docs/report/policy.toml", code: int = 0) -> str:
    """The report of docs/report/, as the tool writes it."""
    emulate = subprocess.Popen(
        [tool, "emulate", "--listen", "127.0.0.1:0", "--directory", "docs/report/directory.toml"],
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


def main():
    tool = str(Path(sys.argv[1]).resolve())
    chromium = sys.argv[2] if len(sys.argv) > 2 else shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "access.html"
        file.write_text(page_of(tool))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        check(browser, file.as_uri())
        table = Path(folder) / "policy.toml"
        known = (ROOT / "docs/report/policy.toml").read_text()
        unknown = '[studios]\nunheard-of = { id = "es-NOWHERE" }'
        table.write_text(known.replace("[studios]", unknown, 1))
        file.write_text(page_of(tool, str(table), code=1))
        check_incomplete(browser, file.as_uri())
        browser.close()
    print("the report's page is as it should be, in", chromium)


if __name__ == "__main__":
    main()
