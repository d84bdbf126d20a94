"""A page in headless Chromium: what it shows and asks for, with real keys and clicks; tests without one are skipped."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import choreographer
import pytest

WHERE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""Path of Chromium or Chrome."""
needs_browser = pytest.mark.skipif(not WHERE, reason="no Chromium or Chrome here")
KEYS = {"Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Space": ("Space", 32, " "), "Escape": ("Escape", 27, "")}
"""Of a key that has no letter: its code, number and text."""


class Page:
    """An open page. Of a script's value only what JSON holds comes back; an error in it is a RuntimeError."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.asked_for: list[str] = []
        self.errors: list[str] = []

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        given = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = (await self.tab.send_command("Runtime.evaluate", given))["result"]
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    async def until(self, script: str, expected: Any = True) -> None:
        """Waits until an expression has this value; one that never has fails by the test's own limit."""
        while await self.run(script) != expected:
            await self.run("new Promise(done => setTimeout(done, 50))")

    async def press(self, *keys: str) -> None:
        """Keys, one after the other, where the focus is: a name of KEYS or a letter."""
        for key in keys:
            code, number, text = KEYS.get(key, ("", ord(key[0].upper()), key))
            sent = {"key": text if key == "Space" else key, "code": code, "windowsVirtualKeyCode": number}
            await self.tab.send_command("Input.dispatchKeyEvent", {"type": "keyDown", "text": text, **sent})
            await self.tab.send_command("Input.dispatchKeyEvent", {"type": "keyUp", **sent})

    async def picture(self, path: Path, script: str | None = None) -> None:
        """A PNG file of an element, or of what the window shows, for people to look at."""
        if script is None:
            answer = await self.tab.send_command("Page.captureScreenshot", {"format": "png"})
            path.write_bytes(base64.b64decode(answer["result"]["data"]))
            return
        box = await self.run(
            f"(r => ({{x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}}))"
            f"(({script}).getBoundingClientRect())"
        )
        given = {"format": "png", "captureBeyondViewport": True, "clip": box}
        answer = await self.tab.send_command("Page.captureScreenshot", given)
        path.write_bytes(base64.b64decode(answer["result"]["data"]))


def look_at(path: Path, look: Callable[[Page], Awaitable[Any]], *, width: int = 1280, height: int = 900) -> Any:
    """Open a file in a window of this size (CSS pixels; below 600 as a phone), and return what `look` makes of it."""

    async def opened() -> Any:
        async with choreographer.Browser(headless=True) as browser:
            page = Page(await browser.create_tab())
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            for command, given in {
                "Page.enable": {},
                "Runtime.enable": {},
                "Network.enable": {},
                "Emulation.setDeviceMetricsOverride": size,
            }.items():
                await page.tab.send_command(command, given)
            loaded = page.tab.subscribe_once("Page.loadEventFired")
            page.tab.subscribe("Network.requestWillBeSent", _noted(page.asked_for, _url))
            page.tab.subscribe("Runtime.exceptionThrown", _noted(page.errors, _thrown))
            await page.tab.send_command("Page.navigate", {"url": path.resolve().as_uri()})
            await loaded
            return await look(page)

    return asyncio.run(opened())


def _noted(notes: list[str], what: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], Awaitable[None]]:
    async def note(event: dict[str, Any]) -> None:
        notes.append(what(event["params"]))

    return note


def _url(event: dict[str, Any]) -> str:
    return str(event["request"]["url"])


def _thrown(event: dict[str, Any]) -> str:
    details = event["exceptionDetails"]
    return str(details.get("exception", {}).get("description") or details["text"])
