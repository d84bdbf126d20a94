"""Which point to try next, and whether a paused trial is worth more: the largest expected gain per epoch.

Draws depend on what is given alone: trials in their order, and a seed. Shape legend: C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from study.search.front.belief import Belief, Question, Seen
from study.search.front.candidates import Candidate, again, mutated, random_candidates

STARTUP, SCREENED = 6, 10
"""Trials with a report before the model is asked; where they pause at a rung, of which each costs little."""
RANDOM, ROUNDS, PARENTS, CHILDREN = 200, 3, 6, 12
"""Candidates drawn at random, then rounds in which the best ones have children nearby."""
MOST_SCREENING = 0.6
"""Share of the epochs for the first rung where its values foretell the end exactly; where they foretell nothing, it is
as if no trial paused there."""
LOOKED_AT = 30
"""Candidates of the largest gain of which the rate is found."""


_newest: dict[str, Any] = {}
"""The last proposal and what it was made for: a caller that asks one question of the rule and of the sampler, as
`benchmarks.search_strategies` does, so pays once for both."""


class Proposal(NamedTuple):
    """A new point."""

    candidate: Candidate
    rate: float
    """Expected gain of hypervolume per epoch."""
    until: int
    """The epoch to train it to: a rung, or the end."""


class Action(NamedTuple):
    """What a free worker does: draw a new trial (None), or go on with that paused one; and until which epoch."""

    paused: int | None
    until: int


def draw_seed(seed: int, number: int, attempt: int) -> int:
    """Seed of one draw. Every draw gets its own, so a resumed search draws what an undisturbed one would have drawn."""
    return int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0])


def startup(trials: int, rungs: Sequence[int]) -> int:
    """How many trials have reported before the model is asked: at most `trials`, since it needs fewer than others."""
    return max(2, min(trials, SCREENED if rungs else STARTUP))


def propose(question: Question, seen: Sequence[Seen], seed: int, rungs: Sequence[int] = ()) -> tuple[Proposal, Belief]:
    """The new point of the largest rate. Points that were tried before are left out.

    Raises ValueError or LinAlgError if no model can be fitted, or nothing is expected to gain anything.
    """
    key = (question, seed, *rungs, repr(seen))
    if _newest.get("key") != key:
        _newest.update(key=key, found=_propose(question, seen, seed, rungs))
    found: tuple[Proposal, Belief] = _newest["found"]
    return found


def _propose(question: Question, seen: Sequence[Seen], seed: int, rungs: Sequence[int]) -> tuple[Proposal, Belief]:
    generator = np.random.default_rng(seed)
    pool = random_candidates(question.space, generator, RANDOM)
    belief = Belief(question, seen, pool)
    return best_of(belief, seen, pool, generator, rungs), belief


def best_of(
    belief: Belief,
    seen: Sequence[Seen],
    pool: Sequence[Candidate],
    generator: np.random.Generator,
    rungs: Sequence[int] = (),
) -> Proposal:
    """The same of a belief that is there, from the candidates of its pool and those near the best of them."""
    space = belief.question.space
    tried = [c for one in seen if (c := again(space, one.params)) is not None]
    taken = {repr(c.point) for c in tried}
    rated, gain_C = [*pool], _gains(belief, pool, taken)
    parents = [c for c in tried for _ in range(max(1, PARENTS * CHILDREN // len(tried)))]
    step = 0.2
    for _ in range(ROUNDS):
        children = [mutated(space, generator, parent, step) for parent in parents]
        rated, gain_C = [*rated, *children], np.r_[gain_C, _gains(belief, children, taken)]
        best = np.argsort(-gain_C, kind="stable")[:PARENTS]
        parents, step = [rated[i] for i in best for _ in range(CHILDREN)], step / 2
    top = np.argsort(-gain_C, kind="stable")[: LOOKED_AT if rungs else 1]
    chosen = [rated[i] for i in top if gain_C[i] > 0]
    if not chosen:
        raise ValueError("no point is expected to gain anything")
    rate_C, until_C = belief.rates(belief.of(chosen), 0, rungs)
    winner = int(np.argmax(rate_C))
    return Proposal(chosen[winner], float(rate_C[winner]), int(until_C[winner]))


def _gains(belief: Belief, candidates: Sequence[Candidate], taken: set[str]) -> np.ndarray:
    gain_C = belief.gains(belief.of(candidates))
    return np.where([repr(c.point) in taken for c in candidates], 0.0, gain_C)


def decide(
    question: Question,
    seen: Sequence[Seen],
    paused: Sequence[int],
    seed: int,
    rungs: Sequence[int],
    *,
    room: bool = True,
    startup_trials: int = SCREENED,
) -> Action:
    """What a free worker does. paused: indices in `seen` of the trials that may go on. room: whether a new trial may be
    drawn; without, one of the paused goes on. Raises ValueError or LinAlgError if no model can be fitted, and if fewer
    have reported than `startup` says."""
    end = question.epochs
    first = rungs[0] if rungs else end
    if sum(len(one.curve) > 0 for one in seen) < startup(startup_trials, rungs):
        raise ValueError("too few trials have reported")
    proposal, belief = propose(question, seen, seed, rungs)
    choices: list[tuple[float, Action]] = []
    if room:
        new = belief.of([proposal.candidate])
        choices.append((float(belief.gains(new)[0]) / end, Action(None, end)))
        if _may_screen(belief, seen, first):
            choices.append((proposal.rate, Action(None, proposal.until)))
    for epoch in sorted({len(seen[i].curve) for i in paused}):
        here = [i for i in paused if len(seen[i].curve) == epoch]
        placed = [(i, c) for i in here if (c := again(question.space, seen[i].params)) is not None]
        if placed:
            rate_C, until_C = belief.rates(belief.of([c for _, c in placed]), epoch, rungs)
            best = int(np.argmax(rate_C))
            choices.append((float(rate_C[best]), Action(placed[best][0], int(until_C[best]))))
    return max(choices, key=lambda choice: choice[0])[1] if choices else Action(paused[0], end)


def _may_screen(belief: Belief, seen: Sequence[Seen], first: int) -> bool:
    """Whether a trial may be begun only to pause at the first rung."""
    least = first / belief.question.epochs
    share = least + (MOST_SCREENING - least) * belief.line(first).trust
    screened = sum(min(len(one.curve), first) for one in seen)
    return screened <= share * sum(len(one.curve) for one in seen)
