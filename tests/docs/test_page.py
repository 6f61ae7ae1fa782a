"""The page at /docs in a real browser: it shows the API, tries it with a key, loads nothing from elsewhere, and fits."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from api.given import committee, new_label
from docs import browser as chromium

WIDE, NARROW = (1440, 900), (390, 844)
SHOWN = "document.querySelectorAll('h3.opblock-tag').length > 0 && document.getElementById('version').textContent"
# An operation by its id, and what is within.
WITHIN = "document.querySelector(`[id$='-${a[0]}'] ${a[1]}`)"
ANSWER = ".live-responses-table .response "
TOO_WIDE = """(() => {
  const page = document.documentElement;
  const outside = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest('pre')).map(e => `${e.tagName}.${e.className}`);
  return page.scrollWidth > innerWidth ? [page.scrollWidth, ...outside.slice(0, 5)] : [];
})()"""


@pytest.fixture(scope="module")
def browser():
    with chromium.opened() as browser:
        yield browser


@pytest.fixture
def page(browser, campus):
    browser.screen(*WIDE)
    browser.open(f"{campus.url}/docs", SHOWN)
    return browser


@pytest.fixture(scope="module")
def society(campus, admin):
    """An organisation with a Chinese title, under one of its own."""
    with campus.client(admin) as client:
        asked = {"path": f"{committee(client)}.{new_label()}", "kind": "department", "title": "围棋与象棋部"}
        return client.post("/v1/organisations", asked).expect(201).json()


def give_key(page, key, state):
    """Types a key and waits until the page has said whose it is."""
    field = page.driver.find_element(By.ID, "key")

    def said():
        field.clear()
        field.send_keys(key)
        page.wait("!['', '…'].includes(document.getElementById('whose').textContent)", "whose key it is")
        return page.ask("document.getElementById('whose').className") == state
    chromium.wait_until(said, f"a key that is {state}", chromium.PATIENCE_S)
    return page.ask("document.getElementById('whose').textContent")


def unfold(page, operation, section="organisations"):
    heading = f"document.querySelector(`h3.opblock-tag[data-tag='{section}']`)"
    if page.ask(f"{heading}.dataset.isOpen") != "true":
        page.ask(f"{heading}.click()")
    page.wait(WITHIN, f"{section} unfolded", operation, ".opblock-summary-control")
    page.ask(f"{WITHIN}.click()", operation, ".opblock-summary-control")
    page.wait(WITHIN, f"{operation} unfolded", operation, ".execute")


def fill(page, operation, parameter, value):
    field = page.ask(WITHIN, operation, f"tr[data-param-name='{parameter}'] input")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(value, Keys.TAB)  # on leaving a field its value counts at once
    assert field.get_property("value") == value


def execute(page, operation):
    """Presses Execute: the status that is shown, and the text of the answer."""
    def answered():
        page.ask(f"{WITHIN}.click()", operation, ".execute")
        page.wait(WITHIN, f"an answer to {operation}", operation, ANSWER + ".response-col_status")
        page.wait(f"!{WITHIN}", "the end of loading", operation, ".loading-container")
        return page.ask(f"{WITHIN}.textContent", operation, ANSWER + ".response-col_status").strip()[:3].isdigit()
    chromium.wait_until(answered, f"a status of {operation}", chromium.PATIENCE_S)
    answer = page.ask(WITHIN, operation, ANSWER)
    return answer.find_element(By.CSS_SELECTOR, ".response-col_status").text.split()[0], answer.text


def test_shows_the_whole_api(page, campus):
    with campus.client() as client:
        document = client.get("/openapi.json").expect(200).json()
    assert page.ask("[...document.querySelectorAll('h3.opblock-tag')].map(e => e.dataset.tag)") == [
        tag["name"] for tag in document["tags"]]
    unfold(page, "CreatePerson", "people")
    people = [path for path, item in document["paths"].items() for operation in item.values() if "people" in operation["tags"]]
    page.wait(f"document.querySelectorAll('.opblock').length == {len(people)}", "the methods of people")
    assert "填入密钥" in page.ask("document.querySelector('.info').textContent")


def test_loads_nothing_from_elsewhere_and_complains_of_nothing(page, campus):
    unfold(page, "ListOrganisations")
    requests = page.requests()
    assert {"/docs", "/docs/docs.js", "/openapi.json"} <= {url.removeprefix(campus.url) for url in requests}
    assert [url for url in requests if not url.startswith((f"{campus.url}/", "data:", "about:"))] == []
    assert page.complaints() == []


def test_the_policy_holds(page):
    """What an intruder's markup would do is refused: the check above can fail."""
    page.ask("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.intruded = true'}))")
    page.ask("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.2:9/x.png'}))")
    complaints = chromium.wait_until(page.complaints, "a complaint")
    assert any("Content Security Policy" in complaint for complaint in complaints)
    assert page.ask("window.intruded") is None


def test_tries_a_method_with_a_key(page, admin, society):
    assert "may *" in give_key(page, admin, "known")
    unfold(page, "ListOrganisations")
    fill(page, "ListOrganisations", "parent", society["path"].rpartition(".")[0])
    status, text = execute(page, "ListOrganisations")
    assert status == "200"
    assert society["path"] in text and "围棋与象棋部" in text
    assert page.complaints() == []


def test_a_wrong_key_is_told(page):
    assert "key" in give_key(page, "campus_wrong", "refused")
    unfold(page, "ListOrganisations")
    status, text = execute(page, "ListOrganisations")
    assert status == "401" and "unauthenticated" in text


def test_the_key_is_kept_nowhere(page, admin):
    give_key(page, admin, "known")
    assert page.ask("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    page.driver.refresh()
    page.wait(SHOWN, "the page anew")
    assert page.ask("document.getElementById('key').value") == ""


def test_a_change_with_its_example(page, campus, admin, client):
    client.post("/v1/organisations", {"path": "su", "kind": "union", "title": "学生会"}).expect(201)
    give_key(page, admin, "known")
    unfold(page, "CreateOrganisation")
    status, text = execute(page, "CreateOrganisation")
    assert status == "201" and "棋社" in text
    assert client.get("/v1/organisations/su.chess").expect(200).json()["title"] == "棋社"


def test_filter(page):
    page.driver.find_element(By.CSS_SELECTOR, ".operation-filter-input").send_keys("bans")
    page.wait("[...document.querySelectorAll('h3.opblock-tag')].map(e => e.dataset.tag).join() === 'bans'", "only the bans")


def test_keyboard_focus_is_visible(page):
    page.driver.find_element(By.ID, "key").send_keys(Keys.TAB)
    assert page.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.ask("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_fits_the_screen(page, admin, society, screen, dark):
    page.screen(*screen, dark=dark)
    assert page.ask(TOO_WIDE) == []
    give_key(page, admin, "known")
    unfold(page, "ListOrganisations")
    fill(page, "ListOrganisations", "parent", society["path"].rpartition(".")[0])
    assert execute(page, "ListOrganisations")[0] == "200"
    page.ask("document.querySelectorAll('.opblock:not(.is-open) .opblock-summary-control, section.models button')"
             ".forEach(button => button.click())")
    page.wait("!document.querySelector('.opblock:not(.is-open)')", "all unfolded")
    assert page.ask(TOO_WIDE) == []
    assert page.ask("document.documentElement.classList.contains('dark-mode')") is dark
    assert page.complaints() == []
