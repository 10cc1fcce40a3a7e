// Filters what is on the page already; without it everything is shown.
"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const form = get("filters");
  const lines = [...document.querySelectorAll("#matrix .person")].map((line, place) => {
    const grants = [...line.querySelectorAll("li")].map((grant) => ({
      grant,
      studio: grant.closest("td").dataset.studio,
      policy: grant.dataset.policy,
      findings: grant.dataset.findings.split(" ").filter(Boolean),
      text: `${grant.textContent} ${grant.dataset.policy} ${grant.closest("td").dataset.name}`.toLowerCase(),
    }));
    // Times in one form sort as texts do.
    const made = grants.map(({ grant }) => grant.dataset.created || "").filter(Boolean).sort();
    const text = line.querySelector("th").textContent.toLowerCase();
    return { line, place, grants, text, oldest: made[0] || "", newest: made.at(-1) || "" };
  });
  const cells = [...document.querySelectorAll("#matrix [data-studio]")];
  const all = lines.reduce((sum, { grants }) => sum + grants.length, 0);
  const count = (shown, of, what) => `${shown === of ? of : `${shown} of ${of}`} ${what}`;

  const filter = () => {
    const terms = get("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [studio, policy, finding] = ["studio", "policy", "finding"].map((id) => get(id).value);
    let people = 0;
    let entries = 0;
    for (const { line, grants, text } of lines) {
      let shown = 0;
      for (const one of grants) {
        const fits =
          (!studio || one.studio === studio) &&
          (!policy || one.policy === policy) &&
          (!finding || (finding === "*" ? one.findings.length > 0 : one.findings.includes(finding))) &&
          terms.every((term) => text.includes(term) || one.text.includes(term));
        one.grant.hidden = !fits;
        shown += fits ? 1 : 0;
      }
      line.hidden = shown === 0;
      people += shown ? 1 : 0;
      entries += shown;
    }
    for (const cell of cells) {
      cell.hidden = Boolean(studio) && cell.dataset.studio !== studio;
      const grants = [...cell.querySelectorAll("li")];
      cell.classList.toggle("bare", grants.length > 0 && grants.every(({ hidden }) => hidden));
    }
    // What nobody has read is not nothing.
    const unread = "unread" in get("studio").selectedOptions[0].dataset;
    get("unread").hidden = !unread;
    get("nothing").hidden = unread || people > 0 || lines.length === 0;
    const shown = `${count(people, lines.length, "rows")}, ${count(entries, all, "entries")}`;
    get("shown").textContent = shown;
    // Who prints a part should not be able to take it for the whole.
    get("part").textContent = entries < all ? `Filtered: ${shown}.` : "";
  };

  const order = () => {
    const by = get("order").value;
    const least = (a, b) => (a < b ? -1 : Number(a > b));
    const compare = {
      name: () => 0,
      // What has no time comes last.
      oldest: (a, b) => least(a.oldest || "~", b.oldest || "~"),
      newest: (a, b) => least(b.newest, a.newest),
    }[by];
    const body = document.querySelector("#matrix tbody");
    for (const { line } of [...lines].sort((a, b) => compare(a, b) || a.place - b.place)) body.append(line);
  };

  // The table's head stays just below the filters.
  const measure = () => {
    const stays = getComputedStyle(form).position === "sticky";
    document.documentElement.style.setProperty("--bar", stays ? `${form.offsetHeight}px` : "0px");
  };

  form.hidden = false;
  form.addEventListener("input", () => { filter(); order(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  // The fields are reset after the event, and then they are read.
  form.addEventListener("reset", () => setTimeout(() => { filter(); order(); }));
  for (const button of document.querySelectorAll("[data-show]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      form.reset();
      get("finding").value = button.dataset.show;
      get("access").scrollIntoView();
    });
  }
  addEventListener("resize", measure);
  measure();
  filter();
})();
