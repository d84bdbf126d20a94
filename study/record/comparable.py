"""Whether a trial of an earlier study says something of a point of this one, and of which.

It does if this study would have trained it in the same way: every setting that acts in it is the same here, or is
searched here and its value lies in the space. Only seeds, where it runs and what is drawn of it may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study import schema
from study.record import machine
from study.record.earlier import Earlier
from study.record.task import point_key
from study.settings import space
from study.settings.checks import measured_by
from study.settings.config import RangeSpec, StudyConfig
from trainables.settings import edge
from trainables.settings.changes import NOT_SET, refused_on_resume
from trainables.settings.config import RunConfig
from trainables.settings.needs import acts
from trainables.vocabulary.metrics_and_objectives import ACCURACY, OBJECTIVES
from trainables.wording import shorten

PICTURES = ("probe.projection_every", "probe.projection_samples")
TAKEN = (schema.COMPLETED, schema.STOPPED, schema.DIVERGED)
"""Ends that say something of a point; the others may be a machine's fault."""
MOST_TOLD = 2
"""Settings that a reason names one by one."""


class Incomparable(Exception):
    """Why a trial is left out: a sentence's parts, each with the value in its middle that is this trial's own (None: it
    has none)."""

    def __init__(self, *parts: tuple[str, Any, str]) -> None:
        self.parts = parts

    @property
    def kind(self) -> tuple[tuple[str, str], ...]:
        """Equal for trials that are left out for one reason."""
        return tuple((before, after) for before, _, after in self.parts)


def reason_in_words(group: Sequence[Incomparable]) -> str:
    """`k 52 to 92, outside 5 to 40, the space here`, of trials left out for one reason."""
    values = zip(*([value for _, value, _ in one.parts] for one in group), strict=True)
    said = zip(group[0].kind, values, strict=True)
    return "; ".join(f"{before}{_values(found)}{after}" for (before, after), found in said)


def _values(found: Sequence[Any]) -> str:
    shown = list(dict.fromkeys(map(_shown, found)))
    numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    if found[0] is None and len(shown) == 1:
        return ""
    if len(shown) > 2 and len(numbers) == len(found):
        return f" {_shown(min(numbers))} to {_shown(max(numbers))}"
    return " " + shorten(", ".join(shown))


class Comparison:
    """This study beside an earlier one. fingerprint: of this study's data; None: not known yet, and not compared."""

    def __init__(self, study: StudyConfig, earlier: Earlier, fingerprint: str | None) -> None:
        self._study = study
        usual = StudyConfig(name=study.name, space={}).model_dump(mode="json")
        self._theirs = _of_runs(edge.merge(usual, earlier.settings))
        self._ours = _of_runs(study.model_dump(mode="json"))
        self._baselines = {point_key(point) for point in space.baseline_points(study)}
        self._whole = _unlike_as_a_whole(study, earlier, fingerprint)

    def point_of(self, end: Mapping[str, Any]) -> dict[str, Any]:
        """The point of this study that a trial of the other's search, of which this is the end, tells of.

        Raises Incomparable.
        """
        if end["status"] not in TAKEN:
            status = NOT_ENDED if end["status"] == schema.INTERRUPTED else f"ended {end['status']}"
            raise plain(status.replace("_", " "))
        if unknown := [name for name in end["params"] if name not in space.PARAMETERS]:
            raise plain(f"{shorten(unknown[0])} is no parameter here")
        theirs = self._theirs | {space.PARAMETERS[name].path: value for name, value in end["params"].items()}
        point = space.fill(self._study, lambda name: theirs.get(space.PARAMETERS[name].path, NOT_SET))
        self._compare(theirs, self._ours | {space.PARAMETERS[name].path: value for name, value in point.items()})
        if self._whole:
            raise plain(self._whole)
        if point_key(point) not in self._baselines:
            point = {name: self._placed(name, value) for name, value in point.items()}
        if end["seed"] in self._study.confirm.seeds and self._study.confirm.enabled:
            raise plain(f"seed {end['seed']}, with which points are confirmed here")
        if missing := [name for name in self._study.objectives if not _has(end, name)]:
            raise plain(f"has no {missing[0]}")
        return point

    def _compare(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        """Raises Incomparable if the two would have been trained, or judged, otherwise."""
        pairs = ((name, theirs.get(name, NOT_SET), ours.get(name, NOT_SET)) for name in dict.fromkeys([*ours, *theirs]))
        unlike = [(n, a, b) for n, a, b in refused_on_resume(p for p in pairs if p[1] != p[2]) if n not in PICTURES]
        unlike = [one for one in unlike if one[0] != "seed" and (acts(one[0], theirs) or acts(one[0], ours))]
        if not unlike:
            return
        told = [(name, _or_word(before), f", here {_shown(now)}") for name, before, now in unlike[:MOST_TOLD]]
        more = len(unlike) - len(told)
        raise Incomparable(*told, *([(f"and {more} more setting{'s' * (more > 1)}", None, "")] if more else []))

    def _placed(self, name: str, value: Any) -> Any:
        """The value as this study's space has it."""
        spec = self._study.space.get(name)
        if spec is None:
            return value
        if isinstance(spec, RangeSpec):
            if not isinstance(value, int | float) or isinstance(value, bool) or not spec.low <= value <= spec.high:
                raise Incomparable((name, value, f", outside {spec.low:g} to {spec.high:g}, the space here"))
            near = space.typed(name, spec, value)
            if abs(near - value) > 1e-9 * max(1.0, abs(value)):
                raise Incomparable((name, value, ", between the steps of the space here"))
            return float(near) if space.PARAMETERS[name].kind == "float" else near
        for choice in spec:
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return choice
        allowed = shorten(", ".join(map(str, spec)))
        raise Incomparable((name, value, f", not in the space here ({allowed})"))


def _unlike_as_a_whole(study: StudyConfig, earlier: Earlier, fingerprint: str | None) -> str | None:
    """What of the two studies, beyond their settings, keeps all trials from being compared; None if nothing does."""
    theirs = earlier.manifest["data"].get("fingerprint")
    if fingerprint is not None and theirs != fingerprint:
        return f"other data (fingerprint {theirs}, here {fingerprint})"
    if earlier.manifest["objectives"] != dict(study.objectives):
        before, now = (_in_words(one) for one in (earlier.manifest["objectives"], study.objectives))
        return f"objectives {before}, here {now}"
    measured = [n for n in study.objectives if n != ACCURACY and not OBJECTIVES[n].known and measured_by(n) is None]
    if measured:
        hardware = machine.hardware()
        here = _machine(machine.resolve_device(study.device, hardware), hardware)
        if (there := _machine(earlier.manifest["device"], earlier.manifest["hardware"])) != here:
            return f"{measured[0]} was measured on another machine ({there}, here {here})"
    return None


def _machine(device: str, hardware: Mapping[str, Any]) -> str:
    names = [gpu["name"] for gpu in hardware["gpus"]] if device != "cpu" else [hardware["cpu"]]
    return shorten(", ".join(dict.fromkeys(names)) or device)


def _in_words(objectives: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {sense}" for name, sense in objectives.items())


def _of_runs(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a study that its runs have, dotted."""
    return edge.flatten({name: settings[name] for name in RunConfig.model_fields})


def _has(end: Mapping[str, Any], objective: str) -> bool:
    return end["status"] != schema.COMPLETED or end["metrics"].get(objective) is not None


def _or_word(value: Any) -> Any:
    """None would be no value at all."""
    return "null" if value is None else value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else shorten(str(value).lower() if isinstance(value, bool) else str(value))


def plain(text: str) -> Incomparable:
    """A reason without a value."""
    return Incomparable((text, None, ""))


NOT_ENDED = "has not ended"
