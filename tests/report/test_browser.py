"""The report in a real, headless browser; `make browser` installs one."""

import json

import browser
import pytest
from browser import CONTRASTS, NARROW, WIDE, wait

pytest.importorskip("selenium.webdriver", reason="selenium is not installed: the extra `dev` brings it")
pytestmark = browser.needed


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    driver = browser.start(tmp_path_factory.mktemp("chrome"))
    yield driver
    driver.quit()


@pytest.fixture
def show(chrome, page):
    """Open the report at a width, in light or dark, and return the browser."""

    def opened(width=WIDE, dark=False):
        browser.size(chrome, width, dark)
        chrome.get(page.as_uri())
        return chrome

    return opened


def test_the_page_makes_no_requests_and_logs_no_errors(show, page):
    chrome = show()
    for log in ("browser", "performance"):
        chrome.get_log(log)  # forget what came before
    chrome.get(page.as_uri())
    wait(chrome, "[...document.querySelectorAll('audio')].every((audio) => audio.duration > 0)")
    events = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert [url[:60] for url in asked if not url.startswith("data:") and url != page.as_uri()] == []
    assert chrome.get_log("browser") == []


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_wide_elements_scroll_in_their_own_frame_and_the_page_does_not_scroll_sideways(show, width):
    chrome = show(width)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth)"
    assert (width == WIDE) or chrome.execute_script(f"return {wide}.length") > 5
    assert chrome.execute_script(f"return {wide}.every((box) => box.tabIndex === 0 && box.ariaLabel)")


def test_all_pictures_load_and_all_recordings_are_playable(show):
    chrome = show()
    loaded = """Promise.all([...document.querySelectorAll("image")].map((image) => {
        const copy = new Image();
        copy.src = image.href.baseVal;
        return copy.decode().then(() => copy.naturalWidth);
    }))"""
    widths = chrome.execute_async_script(f"{loaded}.then(arguments[0], (error) => arguments[0](String(error)))")
    assert len(widths) == 10 and all(width > 50 for width in widths)
    assert wait(chrome, "[...document.querySelectorAll('audio')].every((audio) => audio.duration > 0)")


@pytest.mark.parametrize("dark", [False, True])
def test_the_button_changes_the_theme_persistently(show, chrome, dark):
    show(dark=dark)
    paper = "getComputedStyle(document.body).backgroundColor"
    pressed = "document.getElementById('theme').getAttribute('aria-pressed')"
    before = chrome.execute_script(f"return [{paper}, {pressed}]")
    assert before[1] == str(dark).lower()
    chrome.find_element("id", "theme").click()
    after = chrome.execute_script(f"return [{paper}, {pressed}]")
    assert after[0] != before[0] and after[1] == str(not dark).lower()
    chrome.refresh()
    assert chrome.execute_script(f"return [{paper}, {pressed}]") == after
    chrome.execute_script("localStorage.clear()")


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_sufficient_contrast(show, dark):
    """WCAG 2.2, 1.4.3: 4.5 : 1."""
    contrasts = show(dark=dark).execute_script(CONTRASTS)
    assert len(contrasts) > 30
    assert {text: round(contrast, 2) for text, contrast in contrasts.items() if contrast < 4.5} == {}


def test_everything_is_reachable_by_keyboard(show):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    chrome = show()
    chrome.execute_script("""window.reached = [];
        addEventListener("focusin", ({ target }) => {
            const seen = getComputedStyle(target).outlineStyle !== "none" || target.matches("audio");
            window.reached.push([target.tagName, String(target.className || target.hash || target.id), seen]);
        })""")
    ActionChains(chrome).send_keys(Keys.TAB * 120).perform()
    reached = chrome.execute_script("return window.reached")
    assert reached[0][:2] == ["A", "skip"]
    names = {tag for tag, _, _ in reached}
    assert {"A", "BUTTON", "DIV", "TD", "AUDIO", "SUMMARY"} <= names
    assert sum(kind.startswith("scroll") for _, kind, _ in reached) > 10
    assert all(seen for _, _, seen in reached), [name for name in reached if not name[2]]


def test_the_skip_link_jumps_to_the_report(show):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    chrome = show()
    ActionChains(chrome).send_keys(Keys.TAB).perform()
    assert chrome.execute_script("return document.activeElement.getBoundingClientRect().top") >= 0
    ActionChains(chrome).send_keys(Keys.ENTER).perform()
    assert chrome.execute_script("return document.activeElement.id") == "main"


def test_arrow_keys_move_over_the_confusions_and_the_line_above_describes_them(show):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    chrome = show()
    chrome.execute_script("document.querySelector('#confusions td.c').focus()")
    first = chrome.execute_script("return document.activeElement.title")
    assert chrome.find_element("id", "readout").text == first
    ActionChains(chrome).send_keys(Keys.ARROW_DOWN).perform()
    second = chrome.execute_script("return document.activeElement.title")
    assert second != first and chrome.find_element("id", "readout").text == second
    assert chrome.execute_script("return document.querySelectorAll('#confusions td[tabindex]').length") == 1


def test_a_click_into_a_picture_plays_from_there(show):
    from selenium.webdriver.common.action_chains import ActionChains

    chrome = show()
    wait(chrome, "document.querySelector('audio').duration > 0")
    picture = chrome.find_element("css selector", ".picture")
    chrome.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", picture)
    left = chrome.execute_script("return Number(arguments[0].dataset.left) + 0.25 * 320", picture)
    ActionChains(chrome).move_to_element_with_offset(picture, left - picture.size["width"] / 2, 0).click().perform()
    assert wait(chrome, "document.querySelector('audio').currentTime >= 0.24")
    assert wait(chrome, "document.querySelector('audio').played.length > 0")
    line = "Number(document.querySelector('.playhead').getAttribute('x1'))"
    start = "Number(document.querySelector('.picture').dataset.left) + 0.24 * 320"
    assert wait(chrome, f"{line} >= {start}")
    assert chrome.execute_script("return getComputedStyle(document.querySelector('.playhead')).visibility") == "visible"
