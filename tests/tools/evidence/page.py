"""The results as one HTML page: no script, nothing fetched, phone width, light and dark."""

from collections.abc import Sequence
from html import escape

from tests.tools.evidence import words
from tests.tools.evidence.placing import Placed
from tests.tools.evidence.results import Results
from tests.tools.evidence.scenarios import CALLEE, CALLER

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #566273; --paper: #f6f8fa; --card: #fff;
        --line: #d5dce4; --good: #0f7b53; --bad: #b3261e; --good-back: #e3f5ec;
        --bad-back: #fdeceb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf1; --soft: #9fabba; --paper: #11151a; --card: #1a2028; --line: #313b47;
          --good: #59d6a1; --bad: #ff8a80; --good-back: #12291f; --bad-back: #331a19; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1rem 4rem; color: var(--ink);
       background: var(--paper); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.calls { display: grid; gap: 1rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
          padding: 1rem 1.1rem; }
header { display: flex; flex-wrap: wrap; gap: .3rem 1rem; justify-content: space-between;
         align-items: baseline; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem;
         margin-top: .75rem; }
.side { border-radius: .5rem; padding: .6rem .8rem; border-left: .3rem solid; }
.hidden { background: var(--good-back); border-color: var(--good); }
.shown { background: var(--bad-back); border-color: var(--bad); }
.side strong { display: block; } .side ul { margin: .3rem 0 0; padding-left: 1.1rem; }
.verdict { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .5rem .4rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top; }
td:nth-child(n+2), th:nth-child(n+2) { text-align: right; }
"""

_GROUPS = (
    (
        "Peer-to-peer: privacy off",
        "Where the idea comes from. An answered call shows each side where the other one is, and "
        "the caller is exposed before anybody picks up.",
    ),
    (
        "Enhanced call privacy on",
        "One party asking is enough: both are masked. Where clients gather every candidate, "
        "whatever they are told, the descriptions are rebuilt without; where descriptions are "
        "passed on while it rings, both sides try to reach each other, and the relay lets nothing "
        "through.",
    ),
    (
        "Controls: a check that cannot fail is worth nothing",
        "The same calls with privacy on, but the clients gather every candidate and nobody makes "
        "their descriptions safe. The same search has to find the addresses.",
    ),
)

_METHOD = """
<h2>How it was done</h2>
<p>Two parties, each in a network of its own behind a router with NAT; the relay and everything else
in others. WebRTC clients (aiortc) send a tone and a moving picture. Each party's packets are
captured on its own interface and outside of its router; the descriptions it was given are kept.
<code>callveil audit</code> then looks in what each side had for the four addresses of the other,
public and private, IPv4 and IPv6, in every encoding: text, binary, XORed as STUN does, base64,
percent-encoded, hashed. What the search is known to find is planted and tested.</p>
"""


def render(results: Results) -> str:
    """The page: HTML that needs no other file."""
    groups: list[list[Placed]] = [[], [], []]
    for placed in results.calls:
        groups[bool(placed.scenario.asked) + placed.scenario.is_control].append(placed)
    sections = "".join(
        _section(title, text, calls)
        for (title, text), calls in zip(_GROUPS, groups, strict=True)
        if calls
    )
    proved = "Everything is as promised." if results.is_proved else "Something is not as promised."
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>callveil: what each side could see</title><style>{_STYLE}</style></head><body>"
        "<main><h1>What each side of a call could see of the other</h1>"
        f'<p class="verdict {_tone(results.is_proved)}">{proved}</p>'
        f"{sections}{_written(results)}{_METHOD}</main></body></html>\n"
    )


def _section(title: str, text: str, calls: Sequence[Placed]) -> str:
    articles = "".join(_article(placed) for placed in calls)
    return (
        f'<section><h2>{escape(title)}</h2><p class="soft">{escape(text)}</p>'
        f'<div class="calls">{articles}</div></section>'
    )


def _article(placed: Placed) -> str:
    verdict = escape(words.verdict(placed))
    sides = _side(placed, CALLER, CALLEE) + _side(placed, CALLEE, CALLER)
    return (
        f"<article><header><h3>{escape(placed.scenario.title)}</h3>"
        f'<span class="verdict {_tone(placed.is_as_expected)}">{verdict}</span></header>'
        f'<div class="sides">{sides}</div>'
        f'<p class="soft">Media: {escape(words.path(placed))}. '
        f"{placed.frames} frames were decoded.</p></article>"
    )


def _side(placed: Placed, of: str, by: str) -> str:
    phrases = words.seen(placed, of, by)
    listed = "".join(f"<li>{escape(phrase)}</li>" for phrase in phrases)
    told = f"<ul>{listed}</ul>" if phrases else f"<span>{words.NOTHING}</span>"
    return (
        f'<div class="side {"shown" if phrases else "hidden"}">'
        f"<strong>The {by} could see of the {of}</strong>{told}</div>"
    )


def _written(results: Results) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.what)}</td><td>{each.pieces}</td>"
        f'<td class="{_tone(not each.addresses)}">{each.addresses}</td></tr>'
        for each in results.written
    )
    return (
        "<h2>What the relay wrote</h2><table><thead><tr><th>output</th><th>searched</th>"
        f"<th>addresses</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _tone(is_good: bool) -> str:
    return "good" if is_good else "bad"
