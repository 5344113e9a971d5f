"""What of the outcomes that `calls.py` printed botocore's model of the service has not.

    python shapes.py SERVICE FILE

Every member of an answer has to be in the operation's output shape, with its type; every code of an error among those of the
operation, or among the common ones.
"""

import json
import sys

import botocore.loaders

# Errors that every operation may answer (API reference, "Common Errors"), and those of the protocol itself.
COMMON = {"ValidationException", "SerializationException", "UnknownOperationException"}

model = botocore.loaders.Loader().load_service_model(sys.argv[1], "service-2")
shapes, wrong = model["shapes"], []
TYPES = {"string": str, "boolean": bool, "integer": int, "long": int, "double": (int, float), "blob": str}


def check(value, name, at):
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        if not isinstance(value, dict):
            return wrong.append(f"{at} is no structure")
        for member, one in value.items():
            if member in shape["members"]:
                check(one, shape["members"][member]["shape"], f"{at}.{member}")
            else:
                wrong.append(f"{at} has no member {member}")
    elif kind == "list":
        for one in value:
            check(one, shape["member"]["shape"], f"{at}[]")
    elif kind == "map":
        for key, one in value.items():
            check(one, shape["value"]["shape"], f"{at}.*")
    elif kind == "timestamp":
        if value != "NUMBER":
            wrong.append(f"{at} is no time: {value}")
    elif not isinstance(value, TYPES[kind]):
        wrong.append(f"{at} is no {kind}: {value}")
    elif "enum" in shape and value not in shape["enum"]:
        wrong.append(f"{at} is none of its values: {value}")


for outcome in json.load(open(sys.argv[2])):
    operation = model["operations"].get(outcome["operation"])
    if not operation:
        if outcome["status"] == 200:
            wrong.append(f"{outcome['call']}: no such operation")
        continue
    if "answer" in outcome:
        check(outcome["answer"], operation["output"]["shape"], outcome["call"])
        continue
    code = outcome["error"]
    if code in COMMON:
        continue
    declared = [error["shape"] for error in operation.get("errors", [])]
    if code not in declared:
        wrong.append(f"{outcome['call']}: {code} is none of its errors")
        continue
    for member, value in outcome["details"].items():
        if member not in shapes[code]["members"]:
            wrong.append(f"{outcome['call']}: {code} has no member {member}")
        else:
            check(value, shapes[code]["members"][member]["shape"], f"{outcome['call']}: {code}.{member}")
    if outcome["status"] != 400:
        wrong.append(f"{outcome['call']}: {code} with {outcome['status']}")

print(json.dumps(wrong))
