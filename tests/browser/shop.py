"""Customers in Chromium, whose shop moves to the other Region: shop.py BROWSER LIVE_PAGE PICTURES

The runbooks are started with the commands that the live page shows, by the `aws` command. What has to be typed where the sandbox
runs is printed as a line `type …`, for the test beside it to type. Customers' browsers run no script. Any failed assertion is the
test's.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

BROWSER, LIVE, PICTURES = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
EAST, WEST = "sandbox-east", "sandbox-west"
PATIENCE = 60
ADDRESS = {
    "First name": "Ada",
    "Last name": "Lovelace",
    "E-mail": "ada@example.com",
    "Street and number": "12 St James’s Square",
    "City": "London",
    "Postal code": "SW1Y 4JH",
}
CARD = {
    "Name on the card": "Ada Lovelace",
    "Card number": "1234567890123456",
    "Good until (month/year)": "01/35",
    "Digits on the back": "123",
}


def until(what, look):
    """What `look` finds, once it finds something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


class Customer:
    """Somebody with a browser of their own."""

    def __init__(self, chromium, shop, **look):
        self.shop = shop
        self.context = chromium.new_context(java_script_enabled=False, **look)
        self.page = self.context.new_page()

    def open(self, path):
        """The page there, and its status."""
        return self.page.goto(f"{self.shop}{path}", wait_until="domcontentloaded").status

    def text(self):
        return self.page.locator("body").inner_text()

    def served_from(self):
        """The Region in the page's footer; `None` of a page that no Region made."""
        footer = self.page.locator(".served")
        return footer.inner_text().removeprefix("Served from ") if footer.count() else None

    def put_in_cart(self, product, quantity):
        assert self.open("/catalog") == 200
        self.fill({"Search the catalogue": product}, "Search")
        self.page.get_by_role("link", name=product).click()
        self.page.get_by_label("Quantity").select_option(str(quantity))
        self.page.get_by_role("button", name="Put in the cart").click()
        assert "/cart" in self.page.url, self.page.url

    def cart(self):
        """What is in the cart, as its page says it; `None` while there is no such page."""
        if self.open("/cart") != 200:
            return None
        lines = self.page.locator("ul.lines > li").all()
        return {line.get_by_role("heading").inner_text(): line.get_by_role("spinbutton").input_value() for line in lines}

    def fill(self, fields, button):
        for label, value in fields.items():
            self.page.get_by_label(label).fill(value)
        self.page.get_by_role("button", name=button).click()

    def order(self):
        """Orders what is in the cart; the number on the page that confirms it."""
        self.open("/cart")
        self.page.get_by_role("link", name="Go to the checkout").click()
        self.fill(ADDRESS, "On to delivery")
        self.page.get_by_role("radio").first.check()
        self.fill({}, "On to payment")
        self.fill(CARD, "Place the order")
        assert self.page.get_by_role("heading", level=1).inner_text() == "Thank you, Ada.", self.text()
        return self.page.locator(".number code").inner_text()

    def orders(self):
        """The numbers of the orders in the list; `None` while there is no such page."""
        if self.open("/orders") != 200:
            return None
        links = self.page.locator("ul.orders h2 a").all()
        return [link.get_attribute("href").rsplit("/", 1)[1] for link in links]

    def picture(self, name):
        self.page.screenshot(path=PICTURES / f"shop-{name}.png")


class Operator:
    """Somebody with the live page before their eyes, and a shell."""

    def __init__(self, chromium):
        self.context = chromium.new_context(viewport={"width": 1200, "height": 1500})
        self.page = self.context.new_page()
        self.heard = []
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("console", lambda said: self.heard.append(said.text))
        # Its events never end, so that it is never idle.
        self.page.goto(LIVE, wait_until="domcontentloaded")
        self.shop = self.page.locator("header a").first.get_attribute("href")
        environment, *rest = self.page.locator("pre").inner_text().strip().split("\n\n")
        self.environment, self.instructions = environment, rest

    def follow(self, number):
        """Does what an instruction says: types what is for the sandbox, and runs the rest; what it printed."""
        lines = self.instructions[number].splitlines()
        typed = [line for line in lines if line.split()[0] in ("isolate", "rejoin")]
        for line in typed:
            print(f"type {line}", flush=True)
        return self.run("\n".join(line for line in lines if line not in typed))

    def run(self, script):
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        # The page has version 2 of the command in mind, which reads AWS_REGION.
        script = f"set -euo pipefail\n{self.environment}\nexport AWS_DEFAULT_REGION=$AWS_REGION\n{script}"
        environment = {"PATH": path, "HOME": os.devnull, "AWS_CONFIG_FILE": os.devnull}
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (script, done.stderr)
        return done.stdout

    def start(self, number):
        return json.loads(self.follow(number))["AutomationExecutionId"]

    def status(self, execution):
        said = self.run(f"aws ssm get-automation-execution --automation-execution-id {execution}")
        self.execution = json.loads(said)["AutomationExecution"]
        return self.execution["AutomationExecutionStatus"]

    def has_ended(self, execution):
        status = self.status(execution)
        assert status in ("Pending", "InProgress", "Success"), self.execution.get("FailureMessage")
        return status == "Success"

    def sees(self, *texts):
        """Waits until the page says it by itself: it is never loaded again."""
        for text in texts:
            until(f"the live page says {text}", lambda: text in self.page.locator("body").inner_text())

    def region(self, name):
        return self.page.get_by_role("region", name=name).inner_text()

    def report(self):
        """The page of the report that the execution wrote."""
        [summary] = self.execution["Outputs"]["outcome.summary"]
        return self.run(f"aws s3 cp {summary.split()[-1]} -")


def during(customer):
    """What a customer sees who loads a page again and again until the other Region serves it: statuses and Regions."""
    seen = []

    def look():
        status, region = customer.open("/cart"), customer.served_from()
        if (status, region) not in seen:
            seen.append((status, region))
            assert status in (200, 503), (status, customer.text())
            # Words, and nothing of the machine behind them.
            assert re.search(r"[a-z]{4,} [a-z]{2,}", customer.text()), customer.text()
            assert not re.search(r"panic|sqlx|stack|Error\b", customer.text()), customer.text()
            if status == 503:
                customer.picture("during")
        return region == WEST and status == 200

    until(f"the shop is served from {WEST}", look)
    return seen


def story(chromium):
    operator = Operator(chromium)
    operator.sees(EAST, WEST, "traffic on")
    ada = Customer(chromium, operator.shop, viewport={"width": 390, "height": 844}, is_mobile=True)
    bob = Customer(chromium, operator.shop, viewport={"width": 1200, "height": 900})

    # Before: an order, and a cart that is not ordered yet.
    ada.put_in_cart("River Kettle", 2)
    kept = ada.order()
    ada.put_in_cart("Storm Lantern", 3)
    before = {"Storm Lantern": "3"}
    until("it is in the cart", lambda: ada.cart() == before)
    assert ada.served_from() == EAST
    ada.picture("before")
    # What the other Region has by now: asked at its own door, where the browser is the same visitor.
    door = operator.page.get_by_role("region", name=WEST).get_by_role("link", name="its own door").get_attribute("href")
    [visitor] = [cookie for cookie in ada.context.cookies() if cookie["name"] == "visitor"]
    ada.context.add_cookies([{"name": "visitor", "value": visitor["value"], "url": door}])
    there = Customer(chromium, door)
    there.context.add_cookies([{"name": "visitor", "value": visitor["value"], "url": door}])
    until("the order has come over", lambda: there.orders() == [kept])
    until("the cart has come over", lambda: there.cart() == before)

    # The link breaks. Who is in the old Region goes on ordering, and is told that it worked.
    operator.follow(0)
    operator.sees("cut off")
    bob.put_in_cart("River Kettle", 1)
    lost = bob.order()
    until("the order is in the old Region", lambda: bob.orders() == [lost] and bob.served_from() == EAST)
    bob.put_in_cart("Storm Lantern", 1)
    late = bob.cart()

    # The failover, as the page says it is started.
    failover = operator.start(1)
    seen = during(ada)
    assert (503, None) in seen, f"between the two Regions nobody answers: {seen}"
    assert {region for _, region in seen} <= {EAST, WEST, None}, seen
    operator.sees("failover in sandbox-west: Success", "promote")
    assert operator.has_ended(failover)
    assert "traffic on" in operator.region(WEST) and "traffic off" in operator.region(EAST)
    operator.page.screenshot(path=PICTURES / "live-desktop.png")

    # After: the order and the cart are there, and the next order is taken by the other Region.
    until("the cart is whole", lambda: ada.cart() == before)
    ada.picture("after")
    until("the order is there", lambda: ada.orders() == [kept])
    until("an order is taken", lambda: ada.open("/checkout") == 200)
    next_order = ada.order()
    assert f"taken by {WEST}" in ada.text()
    until("both orders are there", lambda: ada.orders() == [next_order, kept])
    until("the cart is ordered", lambda: ada.cart() == {})
    # What was confirmed to the other customer is gone, and the shop does not deny it.
    until("the other customer has nothing here", lambda: bob.orders() == [] and bob.cart() == {})
    assert bob.open(f"/orders/{lost}") == 404
    assert "If it was confirmed to you, please keep its number" in bob.text()

    # The old Region comes back: the cart arrives late, the order is in the report.
    reconcile = operator.start(2)
    until("the cart of the old Region arrives", lambda: bob.cart() == late)
    operator.sees("reconcile in sandbox-west: Success")
    assert operator.has_ended(reconcile)
    report = operator.report()
    assert lost in report, "the order that was confirmed is in the report"
    assert kept not in report and next_order not in report, "what is there is not"
    assert operator.heard == [], operator.heard
    return seen


with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    seen = story(chromium)
    chromium.close()
print(f"the cart's page, during: {seen}")
