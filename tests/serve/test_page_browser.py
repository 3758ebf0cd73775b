"""The page in a real, headless browser, opened from disk, with a recording as its microphone."""

import json
from pathlib import Path

import browser
import numpy as np
import pytest
import soundfile
from browser import CONTRASTS, NARROW, WIDE, wait

from asr import audio, bundle, config
from asr.decoders import Greedy
from asr.formats import FORMATS
from asr.recognize import Recognizer
from asr.scoring.alignment import align
from asr.serve import page

pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the extra `dev` brings it")
pytestmark = browser.needed

ONE = Path(__file__).parents[2] / "data" / "tiny" / "one.wav"
MICROPHONE = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
TITLE = "document.getElementById('title').textContent"
LOG_PROBS = """
const done = arguments[1];
const code = document.getElementById("worker").textContent + `
  self.onmessage = ({ data: [system, samples] }) =>
    self.postMessage([...new Recognizer(system).logProbs(Float32Array.from(samples)).logProbs]);`;
const worker = new Worker("data:text/javascript," + encodeURIComponent(code));
worker.onmessage = ({ data }) => done(data);
worker.postMessage([JSON.parse(document.getElementById("system").textContent), arguments[0]]);
"""
DROP = """
const files = new DataTransfer();
for (const [name, bytes] of arguments[0]) files.items.add(new File([Uint8Array.from(bytes)], name));
dispatchEvent(new DragEvent("drop", { dataTransfer: files, cancelable: true }));
"""
# The darkest and the lightest shade of the picture, and how many there are.
SHADES = """const canvas = document.getElementById("picture");
const { data } = canvas.getContext("2d").getImageData(60, 0, canvas.width - 60, canvas.height);
const shades = new Set([...new Uint32Array(data.buffer)].filter((word) => word >>> 24).map((word) => word & 255));
return [Math.min(...shades), Math.max(...shades), shades.size];"""
# Everything that can be focused, and what a screen reader calls it.
NAMES = """return [...document.querySelectorAll("button, input, textarea, [tabindex='0']")]
  .filter((one) => one.checkVisibility())
  .map((one) => one.ariaLabel || one.textContent.trim() || [...(one.labels || [])].map((l) => l.textContent).join(""));
"""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    driver = browser.start(tmp_path_factory.mktemp("chrome"), *MICROPHONE, f"--use-file-for-fake-audio-capture={ONE}")
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def recognizer(system):
    return Recognizer(system, Greedy(), "cpu")


@pytest.fixture(scope="module")
def exported(system, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    page.write(system, path)
    return path


@pytest.fixture
def show(chrome, exported):
    """Open the page, and a recording in it, and return the browser."""

    def opened(path=None, width=WIDE, dark=False):
        browser.size(chrome, width, dark)
        chrome.get(exported.as_uri())
        wait(chrome, "document.documentElement.dataset.ready")
        if path:
            chrome.find_element("id", "files").send_keys(str(path))
            wait(chrome, f"{TITLE} === '{path.name}'")
        return chrome

    return opened


def text(chrome):
    return chrome.execute_script(
        "return [...document.querySelectorAll('#transcript button')].map((b) => b.textContent)"
    )


def press(*keys):
    from selenium.webdriver.common.action_chains import ActionChains

    return lambda chrome: ActionChains(chrome).send_keys(*keys).perform()


def test_it_asks_nobody_for_anything_and_logs_no_errors(show, chrome, exported):
    for log in ("browser", "performance"):
        chrome.get_log(log)  # forget what came before
    show(ONE)
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert exported.as_uri() in asked
    assert [url[:60] for url in asked if not url.startswith(("data:", "blob:")) and url != exported.as_uri()] == []
    assert chrome.get_log("browser") == []


def test_in_a_browser_log_probs_are_the_packages(show, recognizer):
    samples, _ = audio.read(ONE)
    chrome = show()
    for heard in (samples, samples[:400]):
        expected = recognizer.log_probs((heard, 16000))
        found = chrome.execute_async_script(LOG_PROBS, heard.tolist())
        assert np.abs(np.reshape(found, expected.shape) - expected).max() < 1e-4


def test_a_file_is_transcribed_as_the_command_line_does(show, recognizer):
    assert " ".join(text(show(ONE))) == recognizer.transcribe(ONE).text


def test_dropped_files_are_all_recognized_whatever_their_format(show, recognizer, tmp_path):
    samples, rate = audio.read(ONE)
    soundfile.write(tmp_path / "a.flac", samples, rate)
    soundfile.write(tmp_path / "b.wav", audio.resample(samples, rate, 44100), 44100)
    files = [(path.name, list(path.read_bytes())) for path in (tmp_path / "a.flac", tmp_path / "b.wav")]
    chrome = show()
    chrome.execute_script(DROP, files)
    states = "[...document.querySelectorAll('#recordings small')].map((one) => one.textContent)"
    wait(chrome, f"{states}.join() === '3.0 s,3.0 s'")
    assert chrome.execute_script(f"return {TITLE}") == "a.flac"
    expected = recognizer.transcribe(ONE).text.split()
    for button, most in zip(chrome.find_elements("css selector", "#recordings button"), (0, 3), strict=True):
        button.click()
        assert chrome.execute_script("return document.activeElement.ariaCurrent") == "true"
        assert align(expected, text(chrome)).count.errors <= most  # resampling changes a little


def test_what_is_not_audio_is_said_in_one_line(show):
    chrome = show()
    chrome.execute_script(DROP, [("notes.wav", list(b"RIFF, or not"))])
    wait(chrome, "!document.getElementById('error').hidden")
    said = chrome.find_element("id", "error").text
    assert said == "notes.wav: is not audio that this browser reads; convert it to WAV"
    assert not chrome.find_element("id", "result").is_displayed()


def test_the_microphone_is_recognized_while_it_is_on_and_when_it_stops(show, recognizer):
    chrome = show()
    record = chrome.find_element("id", "record")
    record.click()
    wait(chrome, "document.getElementById('partial').textContent.split(' ').length > 25", 30)
    assert record.text == "Stop"
    record.click()
    wait(chrome, f"{TITLE} === 'microphone 1'", 30)
    expected = recognizer.transcribe(ONE).text.split() * 20  # it plays again and again, and may begin anywhere
    heard = text(chrome)
    count = align(expected, heard).count
    assert len(heard) > 20 and count.hits > 0.8 * len(heard)


def test_the_error_rate_is_that_of_scoring_as_one_writes(show):
    chrome = show(ONE)
    reference = "h# sh iy hv ae dcl d y er dcl d aa r kcl k s uw q"  # of the 61, which are folded
    chrome.find_element("id", "reference").send_keys(reference)
    folded = "sil sh iy hh ae sil d y er sil d aa r sil k s uw".split()
    expected = align(folded, text(chrome))
    assert chrome.find_element("id", "rate").text.replace("%[", "% [") == f"PER {expected.count}"
    kinds = chrome.execute_script("return [...document.querySelectorAll('.pair b')].map((b) => b.textContent)")
    assert [kinds.count(kind) for kind in "SDI"] == [
        expected.count.substitutions,
        expected.count.deletions,
        expected.count.insertions,
    ]
    chrome.find_element("id", "reference").send_keys(" xyz")
    assert "‘xyz’ is not a unit of this system" in chrome.find_element("id", "rate").text


def test_a_saved_file_is_what_the_command_line_writes(show, chrome, recognizer, tmp_path):
    chrome.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show(ONE)
    expected = recognizer.transcribe(ONE)
    for name in ("txt", "json", "srt", "TextGrid"):
        chrome.find_element("css selector", f"input[value={name}]").find_element("xpath", "..").click()
        chrome.find_element("id", "save").click()
        saved = tmp_path / f"one.{name}"
        wait(chrome, f"document.getElementById('status').textContent === 'saved as {saved.name}'")
        until = 200
        while not saved.exists() and (until := until - 1):
            chrome.execute_async_script("setTimeout(arguments[0], 20)")
        if name != "json":
            assert saved.read_text() == FORMATS[name](expected)
    found, wanted = json.loads((tmp_path / "one.json").read_text()), json.loads(expected.to("json"))
    for own, unit in zip(found["units"], wanted["units"], strict=True):
        assert own == {**unit, "confidence": pytest.approx(unit["confidence"], abs=2e-4)}
    assert found["text"] == wanted["text"] and found["seconds"] == wanted["seconds"]


def test_a_copied_text_is_in_the_clipboard(show, recognizer):
    chrome = show(ONE)
    chrome.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite"]})
    chrome.find_element("id", "copy").click()
    wait(chrome, "document.getElementById('status').textContent === 'copied as txt'")
    copied = chrome.execute_async_script(
        "navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](`${e}`))"
    )
    assert copied.rstrip("\n") == recognizer.transcribe(ONE).text


def test_a_click_into_the_picture_plays_from_there(show):
    from selenium.webdriver.common.action_chains import ActionChains

    chrome = show(ONE)
    panel = chrome.find_element("id", "panel")
    chrome.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", panel)
    ActionChains(chrome).move_to_element(panel).click().perform()
    middle = 3.04 * (panel.size["width"] / 2 - 46) / (panel.size["width"] - 56)
    now = "Number(document.getElementById('panel').ariaValueNow)"
    assert wait(chrome, f"{now} >= {middle - 0.05}") and chrome.execute_script(f"return {now}") < middle + 1
    line = "document.getElementById('playhead').getBoundingClientRect().left"
    assert wait(chrome, f"{line} > {panel.location['x'] + panel.size['width'] / 2 - 5}")


def test_characters_are_buttons_in_words(chrome, tmp_path):
    """An untrained system that hears letters and spaces in everything."""
    parts = {"units": {"kind": "characters", "alphabet": "ab "}, "encoder": {"hidden": 8, "layers": 1}}
    system = bundle.build(config.parse(parts, "test"))
    for value in system.model.state_dict().values():
        value.mul_(8)
    page.write(system, tmp_path / "page.html")
    chrome.get((tmp_path / "page.html").as_uri())
    chrome.find_element("id", "files").send_keys(str(ONE))
    wait(chrome, f"{TITLE} === 'one.wav'")
    expected = Recognizer(system, Greedy(), "cpu").transcribe(ONE)
    words = chrome.execute_script("return [...document.querySelectorAll('#transcript span')].map((w) => w.textContent)")
    assert "".join(words) == expected.text and len(expected.text.split()) > 1
    assert [word for word in words if word.strip()] == expected.text.split()


def test_everything_works_by_keyboard(show):
    from selenium.webdriver.common.keys import Keys

    chrome = show(ONE)
    now = "Number(document.getElementById('panel').ariaValueNow)"
    focused = "document.activeElement.textContent"
    chrome.execute_script("document.querySelector('#transcript button').focus()")
    press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)(chrome)
    assert chrome.execute_script(f"return {focused}") == text(chrome)[2]
    start = float(chrome.execute_script("return document.activeElement.dataset.start"))
    press(Keys.ENTER)(chrome)
    assert wait(chrome, f"{now} >= {start - 0.01}")
    chrome.execute_script("document.getElementById('panel').focus()")
    press(Keys.END)(chrome)
    assert wait(chrome, f"{now} > 3")
    press(Keys.HOME)(chrome)
    wait(chrome, f"{now} < 0.7")
    wide = "document.getElementById('extent').clientWidth"
    before = chrome.execute_script(f"return {wide}")
    press("+")(chrome)
    assert wait(chrome, f"{wide} > 1.3 * {before}")


def test_a_screen_reader_has_a_name_for_everything_and_hears_what_happens(show):
    chrome = show(ONE)
    names = chrome.execute_script(NAMES)
    assert len(names) > 20 and all(names), names
    said = chrome.execute_script("return document.querySelector('[role=status]').textContent")
    assert said.startswith("one.wav: sil sh iy")
    value = chrome.execute_script("return document.getElementById('panel').ariaValueText")
    assert value.startswith("0.00 s: blank")
    roles = chrome.execute_script("return [...document.querySelectorAll('[role]')].map((one) => one.role)")
    assert {"status", "alert", "toolbar", "slider"} <= set(roles)


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_does_not_scroll_sideways(show, width):
    chrome = show(ONE, width=width)
    chrome.find_element("id", "reference").send_keys("sil sh iy " * 12)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    picture = chrome.execute_script("return document.getElementById('picture').getBoundingClientRect().width")
    assert 0.7 * width < picture < width


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_sufficient_contrast_and_the_picture_the_colors_of_the_theme(show, dark):
    """WCAG 2.2, 1.4.3: 4.5 : 1; the picture has ground and ink, in dark as in light."""
    chrome = show(ONE, dark=dark)
    chrome.find_element("id", "reference").send_keys("sh iy hh")
    wait(chrome, "document.getElementById('picture').height > 300")
    contrasts = chrome.execute_script(CONTRASTS)
    assert len(contrasts) > 20
    assert {text: round(contrast, 2) for text, contrast in contrasts.items() if contrast < 4.5} == {}
    low, high, count = chrome.execute_script(SHADES)
    assert low < 60 and high > 200 and count > 50
