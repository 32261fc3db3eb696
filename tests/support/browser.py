"""A real browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

#: Milliseconds until something that does not come is given up: a slow machine must not make a difference.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a window."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "the tests need Chromium: see .ci/services"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    """A page of a profile of its own. What its script leaves unhandled fails the test."""
    context = browser.new_context()
    failures: list[str] = []
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: failures.append(str(error)))
    try:
        yield page
        assert not failures
    finally:
        context.close()
