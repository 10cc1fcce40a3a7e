#!/usr/bin/env python3
"""Draws docs/accounts.svg: where the function stands in one, two and three accounts.

    python3 docs/accounts.py > docs/accounts.svg

`.ci/template-checks` compares the two. Only Python is needed.
"""

from html import escape

WIDTH, LEFT, NODE, GAP = 960, 40, 172, 182
COLUMNS = [LEFT + (NODE + GAP) * i for i in range(3)]
TOP, ROW, PAD, HIGH = 16, 218, 12, 66

STYLE = """
  text { font: 15px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .title { font-size: 17px; font-weight: 600 }
  .small { font-size: 13px; fill: #59636e }
  .name { font-weight: 600; text-anchor: middle }
  .what, .arrow { font-size: 13px; fill: #59636e; text-anchor: middle }
  .page { fill: #ffffff }
  .account { fill: #f6f8fa; stroke: #8c959f; stroke-dasharray: 6 4 }
  .node { fill: #ffffff; stroke: #59636e }
  .ours { fill: #ddf4ff; stroke: #0969da; stroke-width: 2 }
  .line { stroke: #59636e; stroke-width: 1.5; fill: none }
  .head { fill: #59636e }
  .crosses { stroke: #bc4c00 }
  .crossing { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small, .what, .arrow { fill: #9198a1 }
    .page { fill: #0d1117 }
    .account { fill: #151b23; stroke: #6e7681 }
    .node { fill: #0d1117; stroke: #9198a1 }
    .ours { fill: #0c2d5b; stroke: #4493f8 }
    .line { stroke: #9198a1 }
    .head { fill: #9198a1 }
    .crosses { stroke: #f0883e }
    .crossing { fill: #f0883e }
  }
"""

NODES = [("Identity Center", "users, groups, members"), ("emr-studio-sync", "template.yaml"), ("EMR Studios", "session mappings")]

# For each picture: its title; its accounts, as a name and the first and last node;
# what each crossing needs, by the gap it is in; and a line below.
PICTURES = [
    ("One account", [("the account", 0, 2)], {}, "If Identity Center's primary Region is another: forward-events.yaml there, and IdentityStoreRegion."),
    (
        "Two accounts: the function beside the Studios, by default",
        [("management account", 0, 0), ("the Studios' account", 1, 2)],
        {0: ("forward-events.yaml", "InstanceOwnerAccount")},
        "ForwardingAccounts names the management account; and a delegated administrator's, for its own changes are recorded there.",
    ),
    (
        "Three accounts: one table for the Studios of many",
        [("management account", 0, 0), ("delegated administrator", 1, 1), ("each Studio's account", 2, 2)],
        {0: ("forward-events.yaml", "InstanceOwnerAccount"), 1: ("StudioRoleArns", "role_arn in the table")},
        "ForwardingAccounts names the management account. What the delegated administrator changes needs no forwarding.",
    ),
]


def text(x, y, kind, words):
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'


def box(x, y, width, height, kind):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" class="{kind}"/>'


def arrow(start, end, y, crosses):
    """A horizontal one, with its head at the end."""
    back = 9 if end < start else -9
    line = " crosses" if crosses else ""
    head = " crossing" if crosses else ""
    return (
        f'<path d="M{start} {y}H{end + back}" class="line{line}"/>'
        f'<path d="M{end} {y}l{back} -5v10z" class="head{head}"/>'
    )


def picture(top, title, accounts, crossings, below):
    nodes = top + 66
    yield text(LEFT - PAD, top + 18, "title", title)
    for name, first, last in accounts:
        x, end = COLUMNS[first] - PAD, COLUMNS[last] + NODE + PAD
        yield box(x, nodes - 34, end - x, HIGH + 34 + PAD, "account")
        yield text(x + 12, nodes - 13, "small", name)
    for i, (x, (name, what)) in enumerate(zip(COLUMNS, NODES)):
        yield box(x, nodes, NODE, HIGH, "ours" if i == 1 else "node")
        yield text(x + NODE // 2, nodes + 28, "name", name)
        yield text(x + NODE // 2, nodes + 49, "what", what)
    # Left: events come, reads go. Right: reads and writes go.
    for gap, arrows in enumerate([[("events", 1, 22), ("reads", -1, 48)], [("reads, writes", 1, 33)]]):
        start, end = COLUMNS[gap] + NODE + 3, COLUMNS[gap + 1] - 3
        needs = crossings.get(gap)
        for words, way, y in arrows:
            here = (start, end) if way > 0 else (end, start)
            yield arrow(*here, nodes + y, needs is not None)
            yield text((start + end) // 2, nodes + y - 6, "arrow", words)
        if needs:
            kind = "arrow crossing"
            yield text((start + end) // 2, nodes - 8, kind, needs[0])
            yield text((start + end) // 2, nodes + 75, kind, needs[1])
    yield text(LEFT - PAD, nodes + HIGH + PAD + 22, "small", below)


def main():
    height = TOP + ROW * len(PICTURES) - 12
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t">')
    print('<!-- Made by docs/accounts.py. -->')
    print('<title id="t">Where emr-studio-sync stands in one, two and three accounts</title>')
    print(f"<style>{STYLE}</style>")
    print(box(0, 0, WIDTH, height, "page"))
    for i, one in enumerate(PICTURES):
        print("\n".join(picture(TOP + ROW * i, *one)))
    print("</svg>")


if __name__ == "__main__":
    main()
