"""browser.py -- a headless Chromium with a profile of its own, which tells what it loaded and what it complained about."""

import contextlib
import json
import os
import pathlib
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from harness import wait_until

PATIENCE_S = 60
FLAGS = ("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--lang=en")
# Chromium gives up what it is loading when another test of this machine adds or removes a network.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"


class Browser:
    """Everything that it notes counts from the last open()."""

    def __init__(self, folder):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # which Chromium refuses to give root
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.driver.set_page_load_timeout(PATIENCE_S)

    def screen(self, width, height, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def open(self, url, ready):
        """Loads a page until the script expression `ready` is true of it."""
        def loaded():
            self.complaints(), self.requests()
            self.driver.get("about:blank")
            self.driver.get(url)
            return self.wait(f"({ready}) || performance.timing.loadEventEnd && performance.now() > 20000", url) and self.ask(ready)
        wait_until(loaded, f"{url} shown: {ready}", PATIENCE_S)

    def ask(self, expression, *arguments):
        """The value of a script expression; its arguments are a[0], a[1], ..."""
        return self.driver.execute_script(f"const a = arguments; return {expression}", *arguments)

    def wait(self, expression, what, *arguments):
        return wait_until(lambda: self.ask(expression, *arguments), what, PATIENCE_S, pause=0.05)

    def complaints(self):
        """What its console held against the page, above mere hints."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if entry["level"] in ("SEVERE", "WARNING") and NETWORK_CHANGED not in entry["message"]]

    def requests(self):
        """The addresses of all that it asked for."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@contextlib.contextmanager
def opened():
    with tempfile.TemporaryDirectory(prefix="campus-chromium-", ignore_cleanup_errors=True) as folder:
        browser = Browser(pathlib.Path(folder))
        try:
            yield browser
        finally:
            browser.driver.quit()
