"""What the verdicts of a study leave open, and how many confirm seeds would tell."""

from __future__ import annotations

from analysis.health.finding import ACT, FINE, UNKNOWN, WATCH, WORTH, Finding, many, seed_list
from analysis.results.front import front_of
from analysis.results.load import Results
from analysis.results.verdict import NOTHING, OPEN, judged
from study import schema


def question(results: Results) -> Finding:
    """Whether the seeds answer what the study's arms ask, and the seeds that would: the numbers of the verdicts."""
    title = "The study's question"
    front = front_of(results)
    found = judged(front) if front is not None and front.score.stage == schema.CONFIRM else []
    if front is None or not found:
        return Finding("question", title, UNKNOWN, ("No two points were confirmed, so there is no verdict.",))
    still = [(claim, judgement) for claim, judgement in found if judgement.answer in (OPEN, NOTHING)]
    if not still:
        text = f"{'Each of the ' * (len(found) > 1)}{many(len(found), 'verdict')} is a yes or a no."
        return Finding("question", title, FINE, (text,))
    said = [f"{len(still)} of {many(len(found), 'verdict')} cannot be told with the seeds there are."]
    said += [f"Whether {claim.what}: {j.would or 'no seed in common'}." for claim, j in still]
    needed = [judgement.needed for _, judgement in still if judgement.needed is not None]
    if not needed:
        return Finding("question", title, WATCH, tuple(said))
    near = [m for m in needed if m <= WORTH] or [min(needed)]
    sets = seed_list(results, max(near))
    if not sets:
        return Finding("question", title, WATCH, tuple(said))
    more = (max(near) - len(results.manifest["seeds"]["confirm"])) * len(front.points)
    said.append(
        f"{max(near)} seeds would tell {'them' if len(near) == len(still) else 'the nearest'}, with {many(more)} more: "
        f"--set confirm.seeds={sets['confirm.seeds']}."
    )
    return Finding("question", title, ACT if max(near) <= WORTH else WATCH, tuple(said), sets)
