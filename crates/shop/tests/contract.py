"""Walks the API of the public retail store sample (v1.6) against the shop's services, and its load generator's scenario against ui.

    contract.py UI CATALOG CARTS CHECKOUT ORDERS ASSETS

An independent client: Python's own HTTP, and what the sample's OpenAPI documents say of paths, statuses, members and types. It knows
nothing of the shop. Each argument is a URL. Ends with status 1 at the first thing that differs.
"""

import datetime
import http.cookiejar
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

NUMBER = (int, float)


class Nothing:
    """A member that may be null."""

    def __init__(self, shape):
        self.shape = shape


PRODUCT = {
    "id": str,
    "name": str,
    "description": str,
    "price": int,
    "tags": [{"name": str, "displayName": str}],
}
ITEM = {"itemId": str, "quantity": int, "unitPrice": int}
CART = {"customerId": str, "items": [ITEM]}
ADDRESS = {
    "firstName": str,
    "lastName": str,
    "address1": str,
    "address2": str,
    "city": str,
    "state": str,
    "zip": str,
    "email": str,
}
CHECKOUT_ITEM = {"id": str, "name": str, "quantity": int, "price": int, "totalCost": int}
CHECKOUT = {
    "items": [CHECKOUT_ITEM],
    "shippingAddress": ADDRESS,
    "deliveryOptionToken": str,
    "shippingRates": {
        "shipmentId": str,
        "rates": [{"name": str, "amount": int, "token": str, "estimatedDays": int}],
    },
    "subtotal": NUMBER,
    "shipping": NUMBER,
    "tax": NUMBER,
    "total": NUMBER,
}
SUBMITTED = {
    "orderId": str,
    "email": str,
    "items": [CHECKOUT_ITEM],
    "subtotal": NUMBER,
    "shipping": NUMBER,
    "tax": NUMBER,
    "total": NUMBER,
}
ORDER = {
    "id": str,
    "createdDate": str,
    "shippingAddress": {
        "firstName": str,
        "lastName": str,
        "email": str,
        "address1": str,
        "address2": str,
        "city": str,
        "zipCode": str,
        "state": str,
    },
    "items": [{"productId": str, "quantity": int, "unitCost": int, "totalCost": int}],
}


def shaped(value, shape, where):
    """Holds that a value has a shape: every member of it, each of its type. What it has besides is its own."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where}: {value!r} is no object"
        for name, inner in shape.items():
            assert name in value, f"{where}: there is no {name} in {value!r}"
            shaped(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where}: {value!r} is no list"
        for place, inner in enumerate(value):
            shaped(inner, shape[0], f"{where}[{place}]")
    elif isinstance(shape, Nothing):
        if value is not None:
            shaped(value, shape.shape, where)
    else:
        right = isinstance(value, shape) and not isinstance(value, bool)
        assert right, f"{where}: {value!r} is no {shape}"


# Nothing that the environment says of proxies is for this.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, body=None, *, status, shape=None):
    """Asks, and holds status and shape."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with OPENER.open(request, timeout=20) as answer:
            found, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        found, text = error.code, error.read()
    where = f"{method} {url}"
    assert found == status, f"{where}: {found} instead of {status}: {text!r}"
    value = json.loads(text) if text else None
    if shape is not None:
        shaped(value, shape, where)
    return value


def catalog(url):
    products = ask("GET", f"{url}/catalog/products?tags=&order=&page=1&size=100", status=200, shape=[PRODUCT])
    assert products
    for order in ["price_asc", "price_desc", "name_asc", ""]:
        page = ask("GET", f"{url}/catalog/products?order={order}&page=1&size=3", status=200, shape=[PRODUCT])
        assert len(page) == 3
    tags = ask("GET", f"{url}/catalog/tags", status=200, shape=[{"name": str, "displayName": str}])
    tagged = ask("GET", f"{url}/catalog/products?tags={tags[0]['name']}", status=200, shape=[PRODUCT])
    assert all(tags[0] in product["tags"] for product in tagged)
    size = ask("GET", f"{url}/catalog/size?tags=", status=200, shape={"size": int})
    assert size["size"] == len(products)
    for product in products:
        assert ask("GET", f"{url}/catalog/products/{product['id']}", status=200, shape=PRODUCT) == product
    keyword = urllib.parse.quote(products[0]["name"])
    found = ask("GET", f"{url}/catalog/search?keyword={keyword}", status=200, shape=[PRODUCT])
    assert products[0] in found
    ask("POST", f"{url}/catalog/reindex", status=200)
    ask("GET", f"{url}/catalog/products/there-is-no-such-product", status=404)
    return products


def carts(url):
    cart = ask("GET", f"{url}/carts/contract", status=200, shape=CART)
    assert cart["items"] == []
    item = {"itemId": "one", "quantity": 1, "unitPrice": 150}
    added = ask("POST", f"{url}/carts/contract/items", item, status=201, shape=ITEM)
    assert {name: added[name] for name in item} == item
    ask("POST", f"{url}/carts/contract/items", {**item, "itemId": "two"}, status=201, shape=ITEM)
    ask("PATCH", f"{url}/carts/contract/items", {**item, "quantity": 5}, status=202)
    items = ask("GET", f"{url}/carts/contract/items", status=200, shape=[ITEM])
    assert {item["itemId"]: item["quantity"] for item in items} == {"one": 5, "two": 1}
    one = ask("GET", f"{url}/carts/contract/items/one", status=200, shape=ITEM)
    assert one["quantity"] == 5
    ask("DELETE", f"{url}/carts/contract/items/two", status=202)
    ask("GET", f"{url}/carts/contract/items/two", status=404)
    ask("POST", f"{url}/carts/contract-visitor/items", item, status=201, shape=ITEM)
    ask("GET", f"{url}/carts/contract/merge?sessionId=contract-visitor", status=202)
    one = ask("GET", f"{url}/carts/contract/items/one", status=200, shape=ITEM)
    assert one["quantity"] == 6
    ask("DELETE", f"{url}/carts/contract", status=202)
    assert ask("GET", f"{url}/carts/contract", status=200, shape=CART)["items"] == []


def checkout(url):
    address = {
        "firstName": "John",
        "lastName": "Doe",
        "address1": "100 Main Street",
        "address2": "",
        "city": "Anytown",
        "state": "CA",
        "zip": "11111",
        "email": "john_doe@example.com",
    }
    items = [{"id": "one", "name": "One", "quantity": 2, "price": 100}]
    ask("GET", f"{url}/checkout/contract", status=404)
    request = {"items": items, "shippingAddress": address}
    begun = {**CHECKOUT, "deliveryOptionToken": Nothing(str)}
    rates = ask("POST", f"{url}/checkout/contract/update", request, status=201)
    shaped({"deliveryOptionToken": None, **rates}, begun, "update")
    token = rates["shippingRates"]["rates"][0]["token"]
    request["deliveryOptionToken"] = token
    complete = ask("POST", f"{url}/checkout/contract/update", request, status=201, shape=CHECKOUT)
    assert complete["subtotal"] == 200 and complete["items"][0]["totalCost"] == 200
    assert complete["total"] == complete["subtotal"] + complete["shipping"] + complete["tax"]
    assert ask("GET", f"{url}/checkout/contract", status=200, shape=CHECKOUT) == complete
    submitted = ask("POST", f"{url}/checkout/contract/submit", status=201, shape=SUBMITTED)
    assert submitted["total"] == complete["total"] and submitted["email"] == address["email"]
    return submitted["orderId"]


def orders(url, ordered):
    order = {
        "shippingAddress": {
            "firstName": "John",
            "lastName": "Doe",
            "email": "john_doe@example.com",
            "address1": "100 Main Street",
            "address2": "",
            "city": "Anytown",
            "zipCode": "11111",
            "state": "CA",
        },
        "items": [{"productId": "one", "quantity": 2, "unitCost": 100, "totalCost": 200}],
    }
    placed = ask("POST", f"{url}/orders", order, status=200, shape=ORDER)
    at = datetime.datetime.fromisoformat(placed["createdDate"])
    assert at.tzinfo is not None
    assert abs(datetime.datetime.now(datetime.timezone.utc) - at) < datetime.timedelta(minutes=1), at
    found = ask("GET", f"{url}/orders", status=200, shape=[ORDER])
    assert {placed["id"], ordered} <= {order["id"] for order in found}


def chaos(url, path):
    """Faults on demand, which each of the sample's services has."""
    ask("POST", f"{url}/chaos/status/404", status=200)
    refused = urllib.request.Request(url + path)
    try:
        OPENER.open(refused, timeout=20)
        raise AssertionError(f"{url}{path} is answered")
    except urllib.error.HTTPError as error:
        assert error.code == 404, error.code
    ask("DELETE", f"{url}/chaos/status/404", status=200)
    ask("POST", f"{url}/chaos/latency/50", status=200)
    OPENER.open(url + path, timeout=20).read()
    ask("DELETE", f"{url}/chaos/latency/50", status=200)
    ask("POST", f"{url}/chaos/health", status=200)
    ask("GET", f"{url}/health", status=503)
    ask("DELETE", f"{url}/chaos/health", status=200)
    ask("GET", f"{url}/health", status=200)


class LoadGenerator:
    """Walks the scenario of the sample's load generator: a browser with cookies that follows where it is sent."""

    def __init__(self, url):
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        self.url = url

    def __call__(self, path, **form):
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.opener.open(self.url + path, data=data, timeout=20) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code}: {error.read()!r}") from None
        assert "</html>" in text, f"{path}: {text}"
        return answer.geturl().removeprefix(self.url), text

    def walk(self, products):
        self("/home")
        self("/catalog")
        for product in products:
            _, text = self(f"/catalog/{product['id']}")
            assert product["name"] in text
            self("/cart", productId=product["id"])
        _, text = self("/cart")
        assert all(product["name"] in text for product in products)
        self("/checkout")
        at, _ = self(
            "/checkout",
            firstName="John",
            lastName="Doe",
            email="john_doe@example.com",
            streetAddress="100 Main Street",
            city="Anytown",
            state="CA",
            zipCode="11111",
        )
        assert at == "/checkout/delivery", at
        at, _ = self("/checkout/delivery", token="priority-mail")
        assert at == "/checkout/payment", at
        at, _ = self(
            "/checkout/payment",
            cardHolder="John Doe",
            cardNumber="1234567890123456",
            expiryDate="01/35",
            cvc="123",
        )
        assert at.startswith("/orders/"), at


def main(ui, *services):
    of_catalog, of_carts, of_checkout, of_orders, of_assets = services
    products = catalog(of_catalog)
    carts(of_carts)
    ordered = checkout(of_checkout)
    orders(of_orders, ordered)
    for _ in range(2):
        LoadGenerator(ui).walk(products)
    for url, path in [
        (ui, "/home"),
        (of_catalog, "/catalog/tags"),
        (of_carts, "/carts/contract"),
        (of_checkout, "/checkout/contract"),
        (of_orders, "/orders"),
        (of_assets, "/assets/favicon.svg"),
    ]:
        chaos(url, path)


main(*sys.argv[1:])
