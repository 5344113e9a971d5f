"""Holds what the sandbox answers, byte by byte as it comes, against botocore's service models.

botocore itself is lenient: it drops members that it does not know and takes most values as they are. Here every member has
to exist, every value to be of its type, every value of an enumeration to be one of it, every error code to be one that the
operation declares, with its HTTP status.
"""

import io
import json
import re
import xml.etree.ElementTree as xml
from datetime import datetime

from botocore import parsers

CBOR = parsers.create_parser("smithy-rpc-v2-cbor")


class Witness:
    """What was seen so far, and in what it differs."""

    def __init__(self):
        self.differences = set()
        # Operations that were answered without an error, by signing name.
        self.answered = set()
        # Members by name, as answers had them: lists in XML, times in JSON and CBOR, doubles in CBOR, maps in JSON.
        self.members = {"lists": set(), "times": set(), "doubles": set(), "maps": set()}

    def response(self, operation_model, response_dict, **_):
        """To be registered for `before-parse`."""
        self.service = operation_model.service_model.signing_name
        self.protocol = operation_model.service_model.resolved_protocol
        self.where = f"{self.service} {operation_model.name}"
        if response_dict["status_code"] >= 300:
            self.error(operation_model, response_dict)
        else:
            self.answered.add(f"{self.service} {operation_model.name}")
            self.answer(operation_model, response_dict)

    def differs(self, what):
        self.differences.add(what)

    # -- Errors ----------------------------------------------------------------------------------------------------

    def error(self, operation, response):
        body, headers = response["body"], response["headers"]
        # A service that spoke the query protocol before says the older code, too.
        queried = headers.get("x-amzn-query-error", "").split(";")[0] or None
        if self.protocol in ("query", "rest-xml"):
            if not body:
                # The answer to a HEAD request has no body, and no code.
                return
            found = [node.text for node in xml.fromstring(body).iter() if local(node) == "Code"]
            code = found[0] if found else ""
        elif self.protocol == "smithy-rpc-v2-cbor":
            code = cbor(body).get("__type", "").split("#")[-1]
        else:
            code = json.loads(body).get("__type", "").split("#")[-1]
        status = response["status_code"]
        # In XML an error has a code of its own; elsewhere it goes by the name of its shape.
        by_code = self.protocol in ("query", "rest-xml")
        name = (lambda shape: shape.error_code) if by_code else (lambda shape: shape.name)
        declared = {name(shape): shape for shape in operation.error_shapes}
        everywhere = {name(shape) for shape in operation.service_model.error_shapes}
        if code in declared:
            shape = declared[code]
            expected = shape.metadata.get("error", {}).get("httpStatusCode")
            if expected not in (None, status):
                self.differs(f"{self.service}: {code} with the status {status}, not {expected}")
            if queried is not None and queried != shape.error_code:
                self.differs(f"{self.where}: x-amzn-query-error {queried}, not {shape.error_code}")
        elif code in everywhere:
            self.differs(f"{self.where}: error {code}, which the service has for other operations")
        else:
            self.differs(f"{self.service}: error {code}")

    # -- Answers ---------------------------------------------------------------------------------------------------

    def answer(self, operation, response):
        shape, body = operation.output_shape, response["body"]
        if self.protocol == "query":
            root = xml.fromstring(body)
            namespace = operation.service_model.metadata.get("xmlNamespace")
            if root.tag != f"{{{namespace}}}{operation.name}Response":
                self.differs(f"{self.where}: root element {root.tag}")
            parts = [local(node) for node in root]
            wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
            if [part for part in parts if part != "ResponseMetadata"] != [wrapper or f"{operation.name}Result"]:
                self.differs(f"{self.where}: {parts} in the root element")
            if shape is not None:
                self.xml(shape, root[0], "")
        elif shape is None:
            if body not in (b"", b"{}") and cbor_or_json(self.protocol, body) != {}:
                self.differs(f"{self.where}: an answer, where none is declared")
        elif self.protocol == "rest-xml":
            if body and "payload" not in shape.serialization:
                self.xml(shape, xml.fromstring(body), "")
        elif self.protocol == "smithy-rpc-v2-cbor":
            self.json(shape, cbor(body), "")
        elif "payload" in shape.serialization:
            for name in response["headers"]:
                known = [one.serialization.get("name", "").lower() for one in shape.members.values()]
                transport = ("content-type", "content-length", "date", "x-amzn-requestid")
                if name.lower() not in transport and name.lower() not in known:
                    self.differs(f"{self.where}: header {name}")
        else:
            self.json(shape, json.loads(body), "")

    def json(self, shape, value, path):
        """JSON and CBOR, which differ in times and numbers."""
        kind, binary = shape.type_name, self.protocol == "smithy-rpc-v2-cbor"
        types = {
            "structure": dict,
            "map": dict,
            "list": list,
            "string": str,
            "blob": (str, bytes),
            "boolean": bool,
            "integer": int,
            "long": int,
            "float": float if binary else (int, float),
            "double": float if binary else (int, float),
            "timestamp": datetime if binary else (int, float),
        }
        if not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean"):
            self.differs(f"{self.where}: {path} is {type(value).__name__}, not {kind}")
            return
        name = path.rsplit(".")[-1].removesuffix("[]")
        if kind == "structure":
            members = {one.serialization.get("name", member): one for member, one in shape.members.items()}
            for key, one in value.items():
                if key in members:
                    self.json(members[key], one, dotted(path, key))
                else:
                    self.differs(f"{self.where}: {dotted(path, key)} is no member")
            for required in shape.required_members:
                if shape.members[required].serialization.get("name", required) not in value:
                    self.differs(f"{self.where}: {dotted(path, required)} is required")
        elif kind == "map":
            self.members["maps"].add(name)
            for key, one in value.items():
                self.json(shape.value, one, f"{path}{{}}")
        elif kind == "list":
            for one in value:
                self.json(shape.member, one, f"{path}[]")
        elif kind == "timestamp":
            self.members["times"].add(name)
        elif kind == "double" and binary:
            self.members["doubles"].add(name)
        elif kind == "string":
            self.enumeration(shape, value, path)

    def xml(self, shape, node, path):
        kind = shape.type_name
        if kind == "structure":
            members = {}
            for name, one in shape.members.items():
                flat = one.type_name == "list" and one.serialization.get("flattened")
                key = one.serialization.get("name") or (flat and one.member.serialization.get("name")) or name
                members[key] = one
            times = {}
            for child in node:
                key = local(child)
                if key not in members:
                    self.differs(f"{self.where}: {dotted(path, key)} is no member")
                    continue
                one = members[key]
                times[key] = times.get(key, 0) + 1
                if one.type_name == "list" and one.serialization.get("flattened"):
                    self.xml(one.member, child, dotted(path, key) + "[]")
                    continue
                if times[key] > 1:
                    self.differs(f"{self.where}: {dotted(path, key)} more than once")
                self.xml(one, child, dotted(path, key))
            for required in shape.required_members:
                if shape.members[required].serialization.get("name", required) not in times:
                    self.differs(f"{self.where}: {dotted(path, required)} is required")
        elif kind == "list":
            self.members["lists"].add(path.rsplit(".")[-1])
            item = shape.member.serialization.get("name", "member")
            for child in node:
                if local(child) != item:
                    self.differs(f"{self.where}: the items of {path} are called {local(child)}, not {item}")
                self.xml(shape.member, child, f"{path}[]")
        elif kind == "map":
            key, value = (one.serialization.get("name", name) for one, name in ((shape.key, "key"), (shape.value, "value")))
            for child in node:
                if local(child) != "entry" or sorted(local(one) for one in child) != sorted([key, value]):
                    self.differs(f"{self.where}: {path} is no map")
        else:
            text = node.text or ""
            written = {
                "boolean": r"true|false",
                "integer": r"-?\d+",
                "long": r"-?\d+",
                "double": r"-?\d+(\.\d+)?",
                "float": r"-?\d+(\.\d+)?",
                "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
            }.get(kind, r"(?s).*")
            if len(node) or not re.fullmatch(written, text):
                self.differs(f"{self.where}: {path} is {text!r}, not {kind}")
            elif kind == "string":
                self.enumeration(shape, text, path)

    def enumeration(self, shape, value, path):
        if shape.enum and value not in shape.enum:
            self.differs(f"{self.where}: {path} is {value}, which is none of its values")


def local(node):
    return node.tag.rsplit("}")[-1]


def dotted(path, name):
    return f"{path}.{name}" if path else name


def cbor(body):
    return CBOR.parse_data_item(io.BufferedReader(io.BytesIO(body)))


def cbor_or_json(protocol, body):
    return cbor(body) if protocol == "smithy-rpc-v2-cbor" else json.loads(body)


# -- The tables of the wire, and the codes in the sources ------------------------------------------------------------


def members_of(shape, seen=()):
    """Every member below a shape: its name, and its shape."""
    if shape is None or shape.name in seen:
        return
    seen = (*seen, shape.name)
    if shape.type_name == "structure":
        for name, one in shape.members.items():
            yield one.serialization.get("name", name), one
            yield from members_of(one, seen)
    elif shape.type_name == "list":
        yield from members_of(shape.member, seen)
    elif shape.type_name == "map":
        yield from members_of(shape.value, seen)


def table(name, entries, declared, fits, used, needed=frozenset()):
    """In what a table differs: an entry that no operation declares, that means another thing in one, that nothing uses; and what
    is used and has no entry."""
    for entry in entries:
        shapes = declared.get(entry, [])
        if not shapes:
            yield f"{name}: no operation has {entry}"
        for shape in shapes:
            if not fits(entry, shape):
                yield f"{name}: {entry} is a {shape.type_name}"
        if entry not in used:
            yield f"{name}: nothing uses {entry}"
    for entry in needed:
        if entry not in entries and entry in declared and all(fits(entry, shape) for shape in declared[entry]):
            yield f"{name} lacks {entry}"


def tables(given, models, known, seen, read):
    """Holds the tables of `crates/sandbox/src/wire/tables.rs` against the models of the operations that the sandbox knows.
    `seen` is what answers had, `read` the names of members that the world reads from an input."""

    def declared(services, *directions):
        found = {}
        for model in models:
            if model.signing_name not in services:
                continue
            for name in model.operation_names:
                operation = model.operation_model(name)
                if f"{model.signing_name} {name}" in known:
                    for direction in directions:
                        for member, shape in members_of(getattr(operation, direction)):
                            found.setdefault(member, []).append(shape)
        return found

    query = {model.signing_name for model in models if "query" in (model.metadata.get("protocols") or [model.protocol])}
    json_or_cbor = {model.signing_name for model in models if model.protocol != "rest-xml"} - {"rds", "sns", "sts", "iam"}
    both = declared(json_or_cbor, "input_shape", "output_shape")
    sent, got = declared(query, "input_shape"), declared(query, "output_shape")
    # Who reads a structure reads its members.
    within = {member for name in read for shape in sent.get(name, []) if shape.type_name == "structure" for member in shape.members}
    read = read | within

    def of(kinds):
        return lambda _, shape: shape.type_name in kinds

    def time(_, shape):
        return "timestamp" in (shape.type_name, shape.type_name == "list" and shape.member.type_name)

    def items(entry, shape):
        return shape.type_name == "list" and shape.member.serialization.get("name", "member") == given["ITEMS"][entry]

    def double(_, shape):
        return "double" in (shape.type_name, shape.type_name == "list" and shape.member.type_name)

    yield from table("TIMES", given["TIMES"], both, time, seen["times"] | read)
    # A name that is a map in one operation may be a list in another: the value tells.
    maps = {name: [one for one in shapes if one.type_name == "map"] for name, shapes in both.items()}
    yield from table("FREE", given["FREE"], maps, of(["map"]), seen["maps"])
    yield from table("BOOLEANS", given["BOOLEANS"], sent, of(["boolean"]), read, read)
    yield from table("NUMBERS", given["NUMBERS"], sent, of(["integer", "long", "double", "float"]), read, read)
    yield from table("DOUBLES", given["DOUBLES"], declared({"monitoring"}, "output_shape"), double, seen["doubles"])
    yield from table("ITEMS", given["ITEMS"], got, items, seen["lists"])


def codes_in(source):
    """Error codes that a Rust source writes."""
    found = re.findall(r'(?:fault|missing|ApiError::new)\(\s*"(\w+)"', source)
    return found + re.findall(r'code: "(\w+)"', source)


def reads_in(source):
    """Names of members that a Rust source reads from an input."""
    found = re.findall(r'\["(\w+)"\](?!\s*=[^=])', source) + re.findall(r'input,\s*"(\w+)"', source)
    # In the world's tables: what a request calls it, what a description does.
    found += re.findall(r'\("(\w+)", "\w+"\)', source)
    return found + re.findall(r'\btime\("(\w+)"', source)
