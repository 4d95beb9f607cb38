"""Looks at our pages in headless Chromium, through its own protocol: `browser.py CHROMIUM PICTURES NAME=FILE… board=URL`.

Clicks, types and hovers as a person does; fails on an error in the console and on a request to anywhere else. Prints `ok`.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

import websocket

HOSTILE = "<script>"
# What takes longer never happens: a machine may be slow.
PATIENCE = 300.0
# What the protocol says of a page that gives way to another just now.
BETWEEN_PAGES = (
    "Inspected target navigated or closed",
    "Execution context was destroyed.",
    "Cannot find context with specified id",
    "Cannot find default execution context",
)


class Browser:
    """A Chromium with one page."""

    def __init__(self, program, home):
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--mute-audio", "--autoplay-policy=no-user-gesture-required",
            "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={home}", "--window-size=1280,1000",
        ]
        self.process = subprocess.Popen([program, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = pathlib.Path(home) / "DevToolsActivePort"
        self.wait("the browser's port", lambda: port_file.exists() and port_file.read_text().count("\n") >= 1)
        port = port_file.read_text().split("\n")[0]
        pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE))
        page = next(page for page in pages if page["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=PATIENCE, max_size=None)
        self.count = 0
        self.requests, self.errors = [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=1280, height=1000, deviceScaleFactor=1, mobile=False)

    @staticmethod
    def wait(what, ready, patience=PATIENCE):
        begin = time.monotonic()
        while not (found := ready()):
            assert time.monotonic() - begin < patience, f"{what}: not within {patience} s"
            time.sleep(0.02)
        return found

    def call(self, method, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.count:
                if message.get("error", {}).get("message") in BETWEEN_PAGES:
                    return {"result": {}}
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.hear(message)

    def hear(self, message):
        parameters = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(parameters["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(json.dumps(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.errors.append(json.dumps(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(json.dumps(parameters["entry"]))

    def js(self, expression):
        """The value of an expression; None while the page is on its way to another."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, f"{expression}: {result['exceptionDetails']}"
        return result["result"].get("value")

    def open(self, address):
        self.requests.clear()
        self.call("Page.navigate", url=address)
        path = json.dumps(address.split("#")[0].split("://", 1)[1].split("/", 1)[1].split("?")[0])
        self.wait(address, lambda: self.js(f"document.readyState === 'complete' && decodeURI(location.pathname).endsWith(decodeURI({path}))"))

    def centre(self, selector):
        box = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return {"x": box[0], "y": box[1]}

    def hover(self, selector):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **self.centre(selector))

    def click(self, selector):
        place = self.centre(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def key(self, name, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def type(self, selector, text):
        self.js(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def picture(self, path):
        self.js("scrollTo(0, 0)")
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def check(self, allowed):
        outside = [url for url in self.requests if not url.startswith((allowed, "data:"))]
        assert not outside, f"requests to elsewhere: {outside}"
        assert not self.errors, f"errors in the console: {self.errors}"
        assert self.js("window.hostile === undefined"), "a label ran as a script"

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


def check_report(browser, file, pictures):
    browser.open(f"file://{file}")
    text = browser.js("document.body.innerText")
    assert HOSTILE in text, "the hostile label is not shown"
    points = "document.querySelectorAll('#plane circle').length"
    runs = browser.js("document.querySelectorAll('#runs input').length") - 1
    layers = browser.js("document.querySelectorAll('#layers input').length")
    assert runs == 2 and layers == 4, (runs, layers)
    assert browser.js(points) == layers * (runs + 1)
    # The slider, by its keys.
    last = browser.js("document.querySelector('#epoch-name').textContent")
    browser.js("document.querySelector('#epoch').focus()")
    browser.key("Home", 36)
    first = browser.js("document.querySelector('#epoch-name').textContent")
    assert (first, last) == ("0", "39"), (first, last)
    browser.key("ArrowRight", 39)
    assert browser.js("document.querySelector('#epoch').getAttribute('aria-valuetext')") == "epoch 1"
    browser.key("End", 35)
    # Values where the pointer rests, and where the focus is.
    browser.hover("#plane circle[data-run=mean][data-layer='2']")
    tip = browser.js("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent")
    assert "mean, layer 3, epoch 39" in tip and "I(X;T)" in tip, tip
    browser.js("document.querySelector(\"#plane circle[data-run=mean][data-layer='0']\").focus()")
    tip = browser.js("document.querySelector('#tip').textContent")
    assert "layer 1" in tip, tip
    # Keys need not walk over every point of every run.
    browser.js("document.activeElement.blur(); document.querySelector(\"#plane circle[data-run='run 1']\").focus()")
    assert browser.js("document.activeElement.tagName") != "circle", "single runs are in the way of keys"
    # The same as a table.
    browser.js("document.querySelector('#values').closest('details').open = true")
    browser.wait("the values", lambda: browser.js("document.querySelectorAll('#values tbody tr').length") == layers * (runs + 1))
    browser.picture(pictures / "report.png")
    # Toggles.
    browser.click("#layers label:nth-of-type(2) input")
    assert browser.js(points) == (layers - 1) * (runs + 1)
    browser.click("#runs label:nth-of-type(2) input")
    assert browser.js(points) == (layers - 1) * runs
    # Playing.
    browser.click("#play")
    browser.wait("the play", lambda: browser.js("document.querySelector('#epoch-name').textContent") not in ("39", "0"))
    browser.click("#play")
    # The filter, and a choice in the table.
    browser.type("#filter", "relu")
    assert browser.js("document.querySelector('#found').textContent") == "1 of 2"
    browser.click("#experiments tbody button")
    assert "relu" in browser.js("document.querySelector('#experiment').selectedOptions[0].textContent")
    # Whoever does not see: every control has a name.
    nameless = browser.js(
        "[...document.querySelectorAll('input, select, button')].filter((e) => !(e.labels?.length || e.textContent.trim()"
        " || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"
    )
    assert not nameless, nameless
    browser.check("file://")


def check_median(browser, file, pictures):
    browser.open(f"file://{file}")
    names = browser.js("[...document.querySelectorAll('#runs label')].map((l) => l.textContent.trim()).join('|')")
    assert names == "median|run 0|run 1|run 2", names
    browser.hover("#plane circle[data-run=median][data-layer='1']")
    tip = browser.js("document.querySelector('#tip').textContent")
    assert "median, layer 2, epoch 2" in tip, tip
    assert "large the median over runs" in browser.js("document.querySelector('figcaption').textContent")
    # How layers depend on each other, at the epoch of the slider.
    caption = "document.querySelector('#pairs caption').textContent"
    assert "svcca" in browser.js(caption) and "median over runs at epoch 2" in browser.js(caption), browser.js(caption)
    heads = browser.js("[...document.querySelectorAll('#pairs thead th')].map((t) => t.textContent).join('|')")
    assert heads == "input|1|2|readout", heads
    cells = browser.js("[...document.querySelectorAll('#pairs tbody tr')].map((r) => [...r.querySelectorAll('td')].map((d) => d.textContent))")
    assert all(cells[a][b] == cells[b][a] and (a == b) == (cells[a][b] == "") for a in range(4) for b in range(4)), cells
    browser.js("document.querySelector('#epoch').focus()")
    browser.key("Home", 36)
    assert "at epoch 0" in browser.js(caption), browser.js(caption)
    browser.picture(pictures / "median.png")
    browser.check("file://")


def check_large(browser, file, pictures):
    begin = time.monotonic()
    browser.open(f"file://{file}")
    browser.wait("the large report", lambda: browser.js("document.documentElement.dataset.ready === 'true'"))
    seconds = time.monotonic() - begin
    count = browser.js("document.querySelector('#experiment').options.length")
    assert count == 1000, count
    shown = browser.js("document.querySelectorAll('#experiments tbody tr').length")
    browser.click("#more")
    assert browser.js("document.querySelectorAll('#experiments tbody tr').length") == 2 * shown
    browser.picture(pictures / "large.png")
    browser.check("file://")
    # How long it took says as much of the machine. What makes it short: the table begins with a page's worth of rows.
    print(f"1,000 experiments in {seconds:.2f} s", file=sys.stderr)
    assert 0 < shown <= 250, f"{shown} of 1,000 experiments are in the table at first"


def check_movie(browser, file):
    browser.open(f"file://{file}")
    state = (
        "(() => { const v = document.querySelector('video'); v.muted = true; v.play(); return v.error ? 'error ' + v.error.message :"
        " v.currentTime > 0.2 ? [v.duration, v.videoWidth, v.videoHeight] : null; })()"
    )
    played = browser.wait("the film", lambda: browser.js(state))
    assert isinstance(played, list) and played[0] > 2 and played[1] >= 640, played
    browser.errors.clear()


def check_overview(browser, file, pictures):
    browser.open(f"file://{file}")
    text = browser.js("document.querySelector('#findings').innerText")
    assert "tanh compresses" in text and "bits at epoch" in text, text
    assert browser.js("document.querySelectorAll('#findings .verdict').length") >= 4
    browser.click("#findings summary")
    browser.wait("the comparisons", lambda: browser.js("document.querySelector('#findings details').open"))
    assert HOSTILE in browser.js("document.querySelector('#findings').textContent"), "the hostile label is not shown"
    loaded = "[...document.images].every((i) => { i.loading = 'eager'; return i.complete && i.naturalWidth > 0; }) && document.images.length"
    assert browser.wait("the figures", lambda: browser.js(loaded)) >= 6
    tops = browser.js("[...document.querySelectorAll('.figures')].map((f) => [...f.querySelectorAll('img')].slice(0, 2).map((i) => i.getBoundingClientRect().top))")
    assert tops and all(len(row) == 2 and row[0] == row[1] for row in tops), f"figures are not side by side: {tops}"
    browser.picture(pictures / "overview.png")
    browser.check("file://")


def check_board(browser, address, pictures):
    browser.open(address)
    assert "4 ok" in browser.js("document.body.innerText")
    browser.wait("the status", lambda: browser.js("1") and any(url.endswith("/api/status") for url in browser.requests))
    browser.picture(pictures / "board.png")
    # A narrow window needs no scrolling to the side.
    browser.call("Emulation.setDeviceMetricsOverride", width=400, height=900, deviceScaleFactor=1, mobile=False)
    assert browser.js("document.documentElement.scrollWidth") <= 400, "the dashboard is wider than the window"
    browser.picture(pictures / "board-narrow.png")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=1000, deviceScaleFactor=1, mobile=False)
    browser.click("section h2 a")
    browser.wait("the cohort", lambda: browser.js("location.pathname.startsWith('/cohort/') && document.readyState === 'complete'"))
    loaded = "[...document.images].every((i) => { i.loading = 'eager'; return i.complete && i.naturalWidth > 0; }) && document.images.length"
    assert browser.wait("the figures", lambda: browser.js(loaded)) >= 3
    # A film can be jumped in: that takes answers in parts.
    browser.js("document.querySelector('video').currentTime = 2")
    seeked = "(() => { const v = document.querySelector('video'); return v.readyState >= 2 && !v.seeking && v.currentTime; })()"
    assert browser.wait("the jump", lambda: browser.js(seeked)) == 2
    browser.picture(pictures / "board-cohort.png")
    browser.open(f"{address}search")
    browser.type("input[name=q]", "status=ok activation_fn=^relu$")
    browser.click("main form button")
    browser.wait("the search", lambda: browser.js("location.search.includes('q=') && document.readyState === 'complete'"))
    assert "2 runs found" in browser.js("document.body.innerText"), browser.js("document.body.innerText")
    browser.picture(pictures / "board-search.png")
    browser.click("tbody a")
    browser.wait("the run", lambda: browser.js("location.pathname === '/run' && document.readyState === 'complete'"))
    text = browser.js("document.body.innerText")
    assert "activation_fn" in text and HOSTILE in text and "Attempts" in text, text
    browser.picture(pictures / "board-run.png")
    browser.open(f"{address}report/pages/report.html")
    assert browser.js("document.querySelectorAll('#plane circle').length") == 12
    browser.check(address)


def main():
    program, pictures, *pages = sys.argv[1:]
    pages = dict(page.split("=", 1) for page in pages)
    pictures = pathlib.Path(pictures)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(program, home)
        try:
            check_report(browser, pages["report"], pictures)
            check_median(browser, pages["median"], pictures)
            check_large(browser, pages["large"], pictures)
            check_movie(browser, pages["movie"])
            check_overview(browser, pages["overview"], pictures)
            check_board(browser, pages["board"], pictures)
        finally:
            browser.close()
    print("ok")


main()
