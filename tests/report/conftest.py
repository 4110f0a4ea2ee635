from __future__ import annotations

import shutil
from collections.abc import Callable
from types import ModuleType

import pytest

from benchbench.core.cell import Cell
from benchbench.core.measurement import CellResult, Failure, Protocol
from benchbench.core.suite import ArchitectureSpec

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def factory(load_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module `factory.py` beside this file."""
    return load_module("report/factory.py")


@pytest.fixture(scope="session")
def deployed(load_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module `deployed_factory.py` beside this file."""
    return load_module("report/deployed_factory.py")


@pytest.fixture(scope="session")
def deployed_files(deployed, tmp_path_factory):
    """The report of two variants in six deployments."""
    from benchbench.report.write import write_report

    return write_report(deployed.deployed_table(), out=tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="session")
def table(factory, tmp_path_factory):
    """The synthetic run with its pictures on disk."""
    return factory.make_table(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def files(table, tmp_path_factory):
    """The report of the synthetic run."""
    from benchbench.report.write import write_report

    return write_report(table, out=tmp_path_factory.mktemp("reports"))


@pytest.fixture
def trained(factory):
    """Makes a result of a training: seconds for 10,000 steps; the step that met the level, or "missed"."""

    def make(
        variant, per_10k_s, *, seed=0, batch=4, met=None, score_every=50, level="fd[rand-conv-64] <= 30"
    ):
        settings = {"device": "cpu", "batch": batch, "steps": 500, "score_every": score_every}
        protocol = Protocol(name="training", settings=settings)

        def figure(name, value, unit="1", setting=""):
            return factory.figure(name, value, unit, setting=setting, protocol=protocol)

        figures = [
            figure("training_time", per_10k_s / 20 + 7, "s"),
            figure("training_10k_steps", per_10k_s, "s"),
            figure("peak_resident", 2**30, "B"),
        ]
        failures = [Failure(of=f"level: {level}", kind="skipped", reason="not met")]
        if isinstance(met, int):
            failures = []
            figures.append(figure("steps_to_level", met, setting=level))
            figures.append(figure("time_to_level", met * per_10k_s / 1e4, "s", setting=level))
        return CellResult(
            cell=Cell(variant=variant, seed=seed, architecture=ArchitectureSpec(name=f"net_{variant}")),
            measurements=tuple(figures),
            failures=tuple(failures) if met is not None else (),
        )

    return make


@pytest.fixture(scope="session")
def browser():
    # Only this environment has it.
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"these tests need one of {', '.join(BROWSERS)} on PATH"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-quic"])
        yield opened
        opened.close()


@pytest.fixture
def open_report(browser, files):
    """(file, options of the context) -> the page; at the end nothing was loaded and nothing went wrong."""
    contexts, told, asked = [], [], []

    def open_page(html=files.html, **options):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(html.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert told == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


@pytest.fixture
def expect():
    """Waits until it is so; the page's policy forbids the other way of waiting."""
    from playwright.sync_api import expect

    return expect
