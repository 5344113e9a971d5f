"""Opens the pages in a folder in Chromium and looks: look.py BROWSER FOLDER PICTURES

Any failed assertion is the test's. What a page must do is in `look`; what all pages of a size have in common in `LOOKS`.
"""

import pathlib
import re
import sys

from playwright.sync_api import sync_playwright

BROWSER, FOLDER, PICTURES = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
LOOKS = {
    f"{size}-{scheme}": {"viewport": viewport, "color_scheme": scheme, "is_mobile": size == "phone"}
    for size, viewport in {
        "desktop": {"width": 1200, "height": 1500},
        "phone": {"width": 390, "height": 844},
    }.items()
    for scheme in ("light", "dark")
}
# The page of which pictures are kept.
SHOWN = "a-whole-failover"
# The page that is counted in print, and how many sheets it may be.
PRINTED, SHEETS = "a-hundred-orders", 10


def open_page(browser, path, **look):
    """The page, and what it said and asked for while it was opened."""
    context = browser.new_context(**look)
    page = context.new_page()
    heard = {"problems": [], "requests": []}
    page.on("console", lambda message: heard["problems"].append(message.text))
    page.on("pageerror", lambda error: heard["problems"].append(str(error)))
    page.on("dialog", lambda dialog: (heard["problems"].append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard["requests"].append(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state()
    return page, heard


def look(page, heard, path, name):
    where = f"{path.stem}, {name}"
    assert heard["problems"] == [], f"{where}: {heard['problems']}"
    assert heard["requests"] == [path.as_uri()], f"{where} asks for {heard['requests'][1:]}"
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{where}: {wide} pixels too wide"
    # What a screen reader needs: one first heading, no level left out, a name for each picture and field, headed columns.
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1 and levels[0] == 1, f"{where}: {levels}"
    steps = [b - a for a, b in zip(levels, levels[1:])]
    assert max(steps, default=0) <= 1, f"{where}: a level of headings is left out: {levels}"
    for nameless in (
        "svg:not([aria-hidden]):not([aria-labelledby])",
        "input:not([aria-label])",
        "table:not(:has(th))",
        "section:not(:has(h1,h2,h3,h4,p))",
    ):
        assert page.locator(nameless).count() == 0, f"{where} has {nameless}"


def sorts_and_searches(page):
    """Of the first table that has both, in a page whose rows are many."""
    table = page.locator(".tools:has(input[type=search]) + .wide table.sortable").first
    heads = lambda: table.locator("tbody:not([hidden]) > tr:first-child > th").all_inner_texts()
    # Notes may stand below.
    keys = lambda: [head.splitlines()[0] for head in heads()]
    before = keys()
    table.locator("thead button").first.click()
    assert keys() == sorted(before), keys()
    table.locator("thead button").first.click()
    assert keys() == sorted(before, reverse=True), keys()
    search = page.get_by_role("searchbox").first
    search.fill(before[0])
    assert before[0] in keys() and len(keys()) < len(before), keys()
    search.fill("nothing has this")
    assert keys() == []
    search.fill("")
    assert len(keys()) == len(before)


def facts(page):
    """The text of the page, without what JavaScript adds."""
    page.evaluate("document.querySelectorAll('.tools').forEach(tools => tools.remove())")
    return page.evaluate("document.querySelector('main').textContent.split(/\\s+/).join(' ')")


def prints(page, where):
    page.emulate_media(media="print")
    # Laid out anew in the next frame only.
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    hidden = page.evaluate(
        "[...document.querySelectorAll('details:not(.again, .rows) > :not(summary)')]"
        ".filter(inside => !inside.checkVisibility({contentVisibilityAuto: true})).length"
    )
    assert hidden == 0, f"{where}: {hidden} parts are not printed"
    page.set_viewport_size({"width": 700, "height": 1000})
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{where}: {wide} pixels too wide for paper"
    paper = page.pdf(format="A4")
    assert paper.startswith(b"%PDF"), where
    if where == PRINTED:
        sheets = len(re.findall(rb"/Type\s*/Page\b", paper))
        assert 0 < sheets <= SHEETS, f"{where}: {sheets} sheets of paper"


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    pages = sorted(FOLDER.glob("*.html"))
    searched = 0
    for path in pages:
        backgrounds = {}
        for name, how in LOOKS.items():
            page, heard = open_page(browser, path, **how)
            look(page, heard, path, name)
            backgrounds[name] = page.evaluate("getComputedStyle(document.body).backgroundColor")
            if path.stem == SHOWN:
                page.screenshot(path=PICTURES / f"report-{name}.png", animations="disabled")
            page.context.close()
        assert len(set(backgrounds.values())) == 2, f"{path.stem}: {backgrounds}"
        page, _ = open_page(browser, path)
        prints(page, path.stem)
        page.emulate_media(media="screen")
        page.set_viewport_size(LOOKS["desktop-light"]["viewport"])
        if page.get_by_role("searchbox").count():
            sorts_and_searches(page)
            searched += 1
        with_script = facts(page)
        plain, _ = open_page(browser, path, java_script_enabled=False)
        without = " ".join(plain.locator("main").text_content().split())
        # By characters: rows that were sorted stand without a space between them.
        said = [sorted("".join(text.split())) for text in (without, with_script)]
        assert said[0] == said[1], f"{path.stem} says less without JavaScript"
        page.context.close()
        plain.context.close()
    browser.close()
print(f"{len(pages)} pages looked at, {searched} searched in")
