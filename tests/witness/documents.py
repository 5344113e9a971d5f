"""Holds Automation documents against AWS's JSON schema of them.

    documents.py SCHEMA FILE…

Prints as JSON, for each file, what the schema has against it: short texts without the names of steps and files, so that the
same difference reads the same everywhere.
"""

import json
import re
import sys

import jsonschema
import yaml


def short(error):
    """Where an error is, without numbers and names of people's own, and what it says of what."""
    place = [str(part) if not isinstance(part, int) else "*" for part in error.absolute_path]
    if place[:1] == ["parameters"] and len(place) > 1:
        place[1] = "*"
    at = ".".join(place) or "the document"
    if error.validator == "additionalProperties":
        return [f"{name}: not a key of {at}" for name in re.findall(r"'([^']+)'", error.message.split("(")[-1])]
    if error.validator == "enum":
        return [f"{error.instance}: not a value of {at}"]
    if error.validator in ("oneOf", "anyOf"):
        return [f"{json.dumps(error.instance)}: fits nothing at {at}"]
    return [f"{at}: {error.validator} {json.dumps(error.validator_value)}"]


schema = json.load(open(sys.argv[1]))
validator = jsonschema.Draft7Validator(schema)
validator.check_schema(schema)
print(json.dumps({
    path: sorted({text for error in validator.iter_errors(yaml.safe_load(open(path))) for text in short(error)})
    for path in sys.argv[2:]
}))
