"""Seconds until a report is open in a browser, and until its figures and its table of trials are there.

    uv run python -m benchmarks.report_open results/k_sweep/report.html [--repeats 9]

Opens the file in headless Chromium, anew each time. `open`: the load event, when its text is there and can be scrolled.
`first figure` and `table of trials`: from the jump to it until it is drawn, or can be used. Wall time, and the time
that the page's own thread worked until then, which leaves out waiting for a shared core.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import choreographer

from benchmarks.common import Timing, describe, environment, table, write_result

TRIED = "new Promise(done => setTimeout(done, 10))"
UNTIL = {
    "open": "performance.getEntriesByType('navigation')[0].loadEventEnd > 0",
    "first figure": "!!document.querySelector('.drawing.js-plotly-plot .main-svg')",
    "table of trials": "!!document.querySelector('.explorer .dt-info')",
}
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
JUMPS = {"first figure": ".drawing", "table of trials": "#trials"}


async def value(tab: Any, script: str) -> Any:
    """What an expression in the page gives; promises are waited for."""
    given = {"expression": script, "awaitPromise": True, "returnByValue": True}
    return (await tab.send_command("Runtime.evaluate", given))["result"]["result"].get("value")


async def worked(tab: Any) -> float:
    """Seconds that the page's thread has worked."""
    found = (await tab.send_command("Performance.getMetrics"))["result"]["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))


async def opened(path: Path) -> dict[str, tuple[float, float]]:
    """Of one opening: wall seconds and seconds of work, by moment."""
    found = {}
    async with choreographer.Browser(headless=True) as browser:
        tab = await browser.create_tab()
        await tab.send_command("Performance.enable", {"timeDomain": "threadTicks"})
        await tab.send_command("Page.enable")
        loaded = tab.subscribe_once("Page.loadEventFired")
        await tab.send_command("Page.navigate", {"url": path.resolve().as_uri()})
        await loaded
        for name, there in UNTIL.items():
            began = 0.0
            if name in JUMPS:
                jump = f"document.querySelector('{JUMPS[name]}').scrollIntoView({{behavior: 'instant'}})"
                began = await value(tab, f"{jump}, performance.now()")
            while not await value(tab, there):
                await value(tab, TRIED)
            now = await value(tab, LOADED if name == "open" else "performance.now()")
            found[name] = ((now - began) / 1e3, await worked(tab))
    return found


def measure(path: Path, repeats: int) -> dict[str, tuple[Timing, Timing]]:
    """Of each moment wall times, and times of work since the page was asked for."""
    runs = [asyncio.run(opened(path)) for _ in range(repeats)]
    return {name: (Timing([r[name][0] for r in runs]), Timing([r[name][1] for r in runs])) for name in UNTIL}


def report(path: Path, found: dict[str, tuple[Timing, Timing]], trials: str, repeats: int) -> str:
    """As a result file."""
    rows = [[name, describe(wall), describe(work)] for name, (wall, work) in found.items()]
    return "\n\n".join(
        [
            "# Opening a report",
            environment(("plotly", "itables")),
            f"A report of {trials} and {path.stat().st_size / 1e6:.1f} MB in headless Chromium; seconds, median "
            f"(quartiles) of {repeats} openings. Wall times of figure and table are from the jump there; work is all "
            "since the page was asked for.",
            table(["moment", "wall s", "work of the page's thread, s"], rows),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--trials", default="one study", help="what the report is of, for the result file")
    args = parser.parse_args(arguments)
    text = report(args.report, measure(args.report, args.repeats), args.trials, args.repeats)
    print(text)
    print("written:", write_result("report_open", text))


if __name__ == "__main__":
    main()
