// Filters what is on the page already; without it everything is shown.
"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const words = (text) => (text || "").split(" ").filter(Boolean);
  const form = get("filters");
  const arns = [...get("policy").options].slice(1).map((option) => option.dataset.arn);
  // What is shown, and who is, is remembered: of thousands, only who changes is touched.
  const lines = [...document.querySelectorAll(".person")].map((line, place) => {
    const entries = [...line.querySelectorAll("li")].map((entry) => {
      const { studios, policy, findings, made } = entry.dataset;
      const name = entry.closest("td").dataset.name || "";
      return {
        entry,
        studios: words(studios),
        policy,
        findings: words(findings),
        made: words(made),
        text: `${entry.textContent} ${arns[policy]} ${name}`.toLowerCase(),
        hidden: false,
      };
    });
    // Times in one form sort as texts do.
    const made = entries.flatMap((one) => one.made).sort();
    const text = line.querySelector("th").textContent.toLowerCase();
    return { line, place, entries, text, oldest: made[0] || "", newest: made.at(-1) || "", hidden: false };
  });
  const cells = [...document.querySelectorAll("#matrix [data-studio]")];
  const all = lines.reduce((sum, { entries }) => sum + entries.reduce((sum, { studios }) => sum + studios.length, 0), 0);
  const count = (shown, of, what) => `${shown === of ? of : `${shown} of ${of}`} ${what}`;
  const hide = (one, element, hidden) => {
    if (one.hidden !== hidden) element.hidden = one.hidden = hidden;
  };

  const filter = () => {
    const terms = get("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [studio, policy, finding] = ["studio", "policy", "finding"].map((id) => get(id).value);
    let people = 0;
    let grants = 0;
    for (const one of lines) {
      const sought = terms.filter((term) => !one.text.includes(term));
      let shown = 0;
      const fits = one.entries.map(({ studios, policy: has, findings, text }) => {
        const fits =
          (!policy || has === policy) &&
          (!finding || (finding === "*" ? findings.length > 0 : findings.includes(finding))) &&
          sought.every((term) => text.includes(term));
        const fitting = !fits ? 0 : !studio ? studios.length : studios.filter((one) => one === studio).length;
        shown += fitting;
        return fitting > 0;
      });
      // Of who is not shown nothing needs to be hidden.
      if (shown > 0) one.entries.forEach((entry, at) => hide(entry, entry.entry, !fits[at]));
      hide(one, one.line, shown === 0);
      people += shown > 0 ? 1 : 0;
      grants += shown;
    }
    for (const cell of cells) {
      cell.hidden = Boolean(studio) && cell.dataset.studio !== studio;
      const entries = [...cell.querySelectorAll("li")];
      cell.classList.toggle("bare", entries.length > 0 && entries.every(({ hidden }) => hidden));
    }
    // What nobody has read is not nothing.
    const unread = "unread" in get("studio").selectedOptions[0].dataset;
    get("unread").hidden = !unread;
    get("nothing").hidden = unread || people > 0 || lines.length === 0;
    const shown = `${count(people, lines.length, "rows")}, ${count(grants, all, "entries")}`;
    get("shown").textContent = shown;
    // Who prints a part should not be able to take it for the whole.
    get("part").textContent = grants < all ? `Filtered: ${shown}.` : "";
  };

  let ordered = "name";
  const order = () => {
    const by = get("order").value;
    if (by === ordered) return;
    ordered = by;
    const least = (a, b) => (a < b ? -1 : Number(a > b));
    const compare = {
      name: () => 0,
      // What has no time comes last.
      oldest: (a, b) => least(a.oldest || "~", b.oldest || "~"),
      newest: (a, b) => least(b.newest, a.newest),
    }[by];
    const sorted = [...lines].sort((a, b) => compare(a, b) || a.place - b.place);
    document.querySelector(".access .person").parentNode.append(...sorted.map(({ line }) => line));
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
