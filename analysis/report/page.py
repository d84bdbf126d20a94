"""The report as one HTML page: nothing is fetched, it prints, and it fits a phone."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from analysis.report import history
from analysis.results.load import Results
from study.schema import wording

CSS = """
:root { --ink:#1f2a30; --soft:#56646c; --line:#dfe5e8; --accent:#0072b2; --warn:#b34700; --tint:#f5f7f8; }
* { box-sizing:border-box; }
body { margin:0; color:var(--ink); background:#fff; font:16px/1.55 Helvetica,Arial,"Liberation Sans",sans-serif; }
main { max-width:920px; margin:0 auto; padding:24px 24px 64px; }
h1 { font-size:1.7rem; line-height:1.2; margin:.2em 0 .1em; }
h2 { font-size:1.25rem; margin:2.2em 0 .5em; padding-top:.5em; border-top:1px solid var(--line); }
h3 { font-size:1.03rem; margin:1.8em 0 .3em; }
a { color:var(--accent); }
nav { font-size:.9rem; margin:1em 0; } nav a { margin-right:1.1em; white-space:nowrap; }
.question { font-size:1.15rem; color:var(--soft); margin:.2em 0 1em; }
.answer { background:var(--tint); border-left:4px solid var(--accent); padding:.8em 1.1em; }
.answer p { margin:.3em 0; } .answer p:first-child { font-size:1.07rem; }
.banner { background:#fff3e6; color:var(--warn); border:1px solid #e8b98c; padding:.6em 1em; font-weight:bold; }
.rehearsal { color:var(--warn); }
.meta, .caption, .note { color:var(--soft); font-size:.9rem; } .caption { margin:.3em 0 1.2em; }
.table, pre, .wide { overflow-x:auto; } .wide .live { min-width:640px; }
table { border-collapse:collapse; font-size:.9rem; font-variant-numeric:tabular-nums; width:100%; }
th { text-align:right; border-bottom:1.5px solid var(--ink); border-top:1.5px solid var(--ink); padding:.35em .6em; }
td { text-align:right; padding:.3em .6em; border-bottom:1px solid var(--line); }
td { white-space:nowrap; } th:first-child, td:first-child, .text, table.plain td { text-align:left; }
td.text, table.plain td { white-space:normal; }
table.plain td { vertical-align:top; overflow-wrap:anywhere; } table.plain td:first-child { white-space:nowrap; }
pre { background:var(--tint); padding:.8em 1em; font-size:.82rem; line-height:1.4; }
figure { margin:1.8em 0 0; } figure h3 { margin-top:0; } .live { width:100%; } .still { display:none; width:100%; }
summary { cursor:pointer; }
.health dt { font-weight:bold; margin-top:1em; } .health dd { margin:.2em 0 0; overflow-wrap:anywhere; }
.health p { margin:.2em 0; } .health p:not(:first-child) { color:var(--soft); font-size:.9rem; }
.health code { display:inline-block; }
.verdict { font-size:.8rem; padding:.1em .6em; border-radius:1em; border:1px solid var(--line); white-space:nowrap; }
.verdict.fine { color:#006b4f; } .verdict.act { color:#fff; background:var(--warn); border-color:var(--warn); }
.verdict.watch { color:var(--warn); } .verdict.cannot { color:var(--soft); }
@media (max-width:600px) { main { padding:14px 12px 40px; } body { font-size:15px; } h1 { font-size:1.4rem; }
  table.plain td:first-child { white-space:normal; } }
@media print {
  @page { size:A4; margin:16mm 14mm; }
  body { font-size:10.5pt; } main { max-width:none; padding:0; } nav { display:none; }
  h2, h3 { break-after:avoid; } figure, tr, .answer, .short { break-inside:avoid; }
  tbody tr:nth-child(-n+3) { break-after:avoid; } tbody tr:nth-last-child(-n+3) { break-before:avoid; }
  .has-still .live, .has-still h3 { display:none; }
  .still { display:block; width:auto; max-width:100%; max-height:84mm; margin:0 auto; } details pre { columns:2; }
  .table, pre { overflow:visible; } pre { white-space:pre-wrap; overflow-wrap:anywhere; font-size:7.5pt; }
  table { font-size:8.5pt; } a { color:inherit; text-decoration:none; }
}
"""
SCRIPT = """
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.open = true; }));
"""


def esc(text: object) -> str:
    """Escaped for HTML."""
    return html.escape(str(text))


def page(title: str, body: Sequence[str], head: str = "", end: str = "") -> str:
    """The whole page; head and end: further elements of styles and scripts there."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(title)}</title><style>{CSS}</style>{head}</head>\n<body><main>\n"
        + "\n".join(body)
        + f"\n</main><script>{SCRIPT}</script>{end}</body></html>\n"
    )


def data(code: str, name: str = "") -> str:
    """An element that holds JSON for scripts, which nothing in it can end."""
    named = f' id="{name}"' if name else ""
    safe = code.replace("<", "\\u003c")
    return f'<script type="application/json"{named}>{safe}</script>'


def plain_table(rows: Sequence[tuple[str, object]]) -> str:
    """Two columns of names and values."""
    cells = "".join(f"<tr><td>{esc(name)}</td><td>{esc(value)}</td></tr>" for name, value in rows)
    return f'<table class="plain"><tbody>{cells}</tbody></table>'


def verdicts(rows: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """Topics with their verdict and what is said of each, the first sentence in full ink."""
    parts = []
    for topic, verdict, said in rows:
        first, *rest = (f"<p>{_with_code(sentence)}</p>" for sentence in said)
        kind = verdict.split()[0]
        parts.append(
            f'<dt>{esc(topic)} <span class="verdict {kind}">{esc(verdict)}</span></dt><dd>{first}{"".join(rest)}</dd>'
        )
    return f'<dl class="health">{"".join(parts)}</dl>'


def _with_code(sentence: str) -> str:
    """A sentence whose options of a command line stay whole."""
    return re.sub(r"(--\w+ \S*[^\s.;,])", r"<code>\1</code>", esc(sentence))


def facts(results: Results) -> list[tuple[str, object]]:
    """Where, when and with what a study ran."""
    m = results.manifest
    git = m["git"] or {}
    commit = git.get("commit") or "not a git checkout"
    dirty = " (with uncommitted changes)" if git.get("dirty") else ""
    return [
        ("Status", m["status"]),
        ("Started, ended (UTC)", f"{m['started']} to {m['ended'] or '(running)'}"),
        ("Sessions", len(m["sessions"])),
        ("Data", _data(m["data"])),
        *_own(m.get("own", {}).get("parts", {})),
        *_learned(m.get("learned", ())),
        ("Score that the search optimises", f"{m['score']}, on validation"),
        ("Objectives", ", ".join(f"{name} ({sense})" for name, sense in m["objectives"].items())),
        ("Rungs (epochs)", ", ".join(map(str, m["rungs"])) or "none"),
        ("Seeds", _seeds(m["seeds"])),
        ("Device and hardware", f"{m['device']}; {_hardware(m['hardware'])}"),
        ("Commit", f"{commit}{dirty}"),
        ("Versions", ", ".join(f"{name} {version}" for name, version in (m["versions"] or {}).items())),
        ("Command", m["command"]),
    ]


def _data(data: Mapping[str, Any] | None) -> str:
    if not data:
        return "not recorded"
    sizes = ", ".join(f"{data[s]:,} {s}" for s in ("train", "validation", "test") if isinstance(data.get(s), int))
    shape = f"{data.get('channels')} x {data.get('image_size')} x {data.get('image_size')}"
    return f"{data.get('name')}: {sizes} images of {shape}; {data.get('classes')} classes; {data.get('fingerprint')}"


def _own(parts: Mapping[str, str]) -> list[tuple[str, object]]:
    """Parts of the user's own, which have no code in the results folder."""
    return [("Parts of one's own", ", ".join(f"{setting} {name}" for setting, name in parts.items()))] if parts else []


def _learned(notes: Sequence[Mapping[str, Any]]) -> list[tuple[str, object]]:
    """Earlier studies, how many of their trials counted, and why others did not."""
    return [
        (
            "Learned from",
            "; ".join(
                [f"{note['folder']}: {wording.counted(note['learned'], 'trial')}", *map(_left_out, note["left_out"])]
            ),
        )
        for note in notes
    ]


def _left_out(reason: Mapping[str, Any]) -> str:
    return f"{wording.counted(reason['trials'], 'trial')} left out: {reason['why']}"


def _seeds(seeds: Mapping[str, Any] | None) -> str:
    return "; ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in (seeds or {}).items()
    )


def _hardware(found: Mapping[str, Any] | None) -> str:
    found = found or {}
    gpus = (
        ", ".join(f"{g['name']} ({wording.bytes_in_words(g['memory_bytes'])})" for g in found.get("gpus") or [])
        or "no GPU"
    )
    memory = wording.bytes_in_words(float(found.get("memory_bytes") or "nan"))
    return f"{found.get('cpu')}, {found.get('cores')} cores, {memory} memory; {gpus}"


def stages(results: Results) -> str:
    """Trials by stage and status, in a sentence."""
    if not len(results.trials):
        return f"no trial has ended{history.paused(results)}"
    parts = []
    for stage, group in results.trials.groupby("stage", sort=False):
        counts = group["status"].value_counts()
        parts.append(f"{stage}: " + ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in counts.items()))
    return "; ".join(parts) + history.paused(results)


def settings(results: Results) -> str:
    """Every setting of the study, as YAML in a fold-out that opens for print."""
    text = yaml.safe_dump(results.study, sort_keys=False, allow_unicode=True)
    return f"<details><summary>All settings of {esc(results.name)}</summary><pre>{esc(text)}</pre></details>"
