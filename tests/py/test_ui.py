"""The live page in a real browser (headless Chromium): jobs, progress, corner plot and map of a running posterior."""
import shutil
import time

import pytest

from test_server import House, wait_for

selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

POSTERIOR = {
    "kind": "posterior", "name": "looked-at", "seed": 3,
    "model": {"preset": "lsst-y10", "field": {"npix": 32},
              "sources": {"smail": {"a": 2, "b": 0.68, "z0": 0.11, "bins": 2, "sigma_z": 0.05, "n_per_arcmin2": 27}}},
    "data": {"mock": {"seed": 7}},
    "sampler": {"algorithm": "hmc", "chains": 2, "warmup": 40, "draws": 3000},
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver, program = shutil.which("chromedriver"), shutil.which("chromium")
    if not driver or not program:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                 f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--window-size=1200,1400"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(service=Service(driver), options=options)
    yield browser
    browser.quit()


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    house.start("--workers", "1", "--worker-threads", "2", "--checkpoint-s", "0.5")
    yield house
    house.stop_all()


def text(browser, name):
    return browser.find_element(By.ID, name).text


def test_a_running_posterior_is_watched_to_its_end(house, browser, tmp_path):
    address = (house.data / "server.address").read_text().strip()
    browser.get(address + "/ui/")
    wait_for(lambda: "token" in text(browser, "connection"))  # says what it needs
    browser.find_element(By.ID, "token").send_keys((house.data / "admin.token").read_text().strip())
    browser.find_element(By.CSS_SELECTOR, "#login button[type=submit]").click()
    wait_for(lambda: browser.find_element(By.ID, "empty").is_displayed())

    job = house.call("POST", "/v1/jobs", json=POSTERIOR).json()["id"]
    row = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, f"tr[data-id={job}]"))[0]
    assert "looked-at" in row.text and "posterior" in row.text
    row.find_element(By.TAG_NAME, "a").click()

    wait_for(lambda: "sampling" in text(browser, "job-progress"), 60)
    assert house.state(job) == "running"  # what follows is seen while it runs
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "#corner .point")) > 50, 60)
    titles = [t.text for t in browser.find_elements(By.CSS_SELECTOR, "#corner text") if "±" in t.text]
    assert any(t.startswith("sigma8") for t in titles) and len(titles) == 6
    width = "return document.getElementById('map').naturalWidth"
    wait_for(lambda: browser.execute_script(width) > 100, 60)
    assert house.state(job) == "running"
    assert 0 < float(browser.find_element(By.ID, "job-bar").value_of_css_property("width")[:-2])
    browser.save_screenshot(str(tmp_path / "running.png"))

    assert house.call("DELETE", f"/v1/jobs/{job}").status_code == 202
    wait_for(lambda: text(browser, "job-state").startswith("cancelled"), 30)
    assert "cancelled" in text(browser, "log")
    assert "chain-0" in text(browser, "tasks")

    browser.find_element(By.CSS_SELECTOR, "h1 a").click()
    wait_for(lambda: "cancelled" in text(browser, "jobs"))
    browser.find_element(By.ID, "forget").click()
    wait_for(lambda: "token" in text(browser, "connection"))
    time.sleep(0.1)
    errors = [entry for entry in browser.get_log("browser")
              if entry["level"] == "SEVERE" and "401" not in entry["message"] and "404" not in entry["message"]]
    assert not errors
