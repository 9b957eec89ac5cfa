"""The report in a real browser, where there is one: nothing is fetched, nothing complains, zoom and theme work."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from afscope.engine.investigation import Investigation
from afscope.report.content import content
from afscope.report.html import html
from tests.report.conftest import LOOK

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--remote-allow-origins=*",
]  # fmt: skip
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Browser:
    """One page over the DevTools protocol."""

    def __init__(self, port: str) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self._socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=30)
        self._last = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._last:
                assert "error" not in message, message
                return dict(message["result"])
            self.events.append(message)

    def open(self, path: Path, width: int) -> None:
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Page.navigate", url=path.as_uri())
        for _ in range(100):
            if self.run("document.readyState") == "complete" and self.run("location.href") == path.as_uri():
                return
            time.sleep(0.05)
        raise AssertionError("the page did not load")

    def run(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def mouse(self, kind: str, x: float, y: float, buttons: int) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def requests(self) -> list[str]:
        self.run("1")
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        self.run("1")
        return [str(e["params"]) for e in self.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    profile = tmp_path_factory.mktemp("profile")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        ready = profile / "DevToolsActivePort"
        for _ in range(300):
            if ready.exists() and ready.read_text(encoding="utf-8").strip():
                break
            time.sleep(0.1)
        else:
            pytest.skip("Chromium does not start on this machine")
        opened = Browser(ready.read_text(encoding="utf-8").split()[0])
        yield opened
        opened.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its helpers, too
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def page(hostile: Investigation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html(content(hostile, LOOK)), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [390, 1366])
def test_nothing_is_fetched_and_nothing_complains(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert [url for url in browser.requests() if not url.startswith("data:,")] == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.run("document.scripts.length") == 1
    assert browser.run("document.images.length") == 0
    assert browser.run("document.documentElement.scrollWidth") <= width, "it never scrolls sideways"


def test_the_verdict_is_on_the_first_screen_of_a_phone(browser: Browser, page: Path) -> None:
    browser.open(page, 390)
    assert browser.run("document.querySelector('h1').getBoundingClientRect().bottom") < 300
    assert browser.run("document.querySelector('.card h2').getBoundingClientRect().top") < 900


def test_a_drag_zooms_all_plots_and_the_button_brings_everything_back(browser: Browser, page: Path) -> None:
    browser.open(page, 1366)
    boxes = "[...document.querySelectorAll('.chart svg')].map(s => s.viewBox.baseVal)"
    whole = browser.run(f"{boxes}.map(b => b.width)")
    box = browser.run(
        "(() => { const b = document.querySelector('.box'); b.scrollIntoView({block: 'center'});"
        " const r = b.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()"
    )
    left, top, width, height = box
    middle = top + height / 2
    browser.mouse("mousePressed", left + width * 0.25, middle, 1)
    browser.mouse("mouseMoved", left + width * 0.75, middle, 1)
    assert browser.run("document.querySelector('[data-of=running]').textContent") not in ("", None), (
        "values are read out"
    )
    browser.mouse("mouseReleased", left + width * 0.75, middle, 0)
    zoomed = browser.run(f"{boxes}.map(b => b.width)")
    assert len(set(zoomed)) == 1
    assert zoomed[0] == pytest.approx(whole[0] / 2, rel=0.02)
    assert browser.run(f"{boxes}.map(b => b.x)")[0] == pytest.approx(whole[0] / 4, rel=0.05)
    browser.run("document.querySelector('[data-do=all]').click()")
    assert browser.run(f"{boxes}.map(b => b.width)") == whole


def test_the_switch_changes_the_theme(browser: Browser, page: Path) -> None:
    browser.open(page, 1366)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = browser.run(ground)
    browser.run("document.getElementById('theme').click()")
    assert browser.run(ground) != before
    browser.run("document.getElementById('theme').click()")
    assert browser.run(ground) == before
