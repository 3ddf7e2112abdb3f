# SPDX-License-Identifier: BSD-2-Clause
"""
The JSON schema of viaduct.yaml, for editors. It takes whatever conf_parse() takes; what only the
whole file shows, viaductd --check and viaductctl config check say.
"""
import json

NULL = {"type": "null"}
DIGITS = {"type": "string", "pattern": "^[0-9]+$"}
RANGES = "[0-9]+(-[0-9]+)?( *, *[0-9]+(-[0-9]+)?)*"


def word_set(words):
    return [{"enum": words}] if words else []


def words_of(key):
    return word_set(key["words"] + key["synonyms"])


def number(key):
    value = {"type": "integer", "minimum": key["min"], "maximum": key["max"]}
    if key["power_of_two"]:
        value = {"enum": [n for n in (1 << i for i in range(64)) if key["min"] <= n <= key["max"]]}
    return [value, DIGITS, *words_of(key)] + ([{"const": 0}] if key["or_zero"] else [])


def truth(key):
    words = [w for word in ("yes", "no", "on", "off", "true", "false")
             for w in (word, word.capitalize(), word.upper())]
    return [{"type": "boolean"}, {"enum": words}, *words_of(key)]


def quantity(units):
    return lambda key: [{"type": "integer", "minimum": 0},
                        {"type": "string", "pattern": f"^[0-9]+({units})?$"},
                        *words_of(key)]


def text(pattern=None):
    return lambda key: [{"type": "string", **({"pattern": pattern} if pattern else {})},
                        *words_of(key)]


NAME = {"type": ["string", "number"]}


def names(key):
    return [{"type": "array", "items": NAME}]


def ranges(empty, words=()):
    pattern = f"^({RANGES}){'?' if empty else ''}$"
    return lambda key: [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": pattern},
                        *word_set(list(words))]


def groups(key):
    group = {"anyOf": [{"enum": ["stp", "pause", "lacp", "dot1x", "lldp"]},
                       {"type": "string", "pattern": "^0[0-9A-Fa-f]$"}, {"type": "integer"}]}
    return [{"const": "auto"}, {"type": "array", "items": group}]


def weights(key):
    weight = {"anyOf": [{"type": "integer", "minimum": 0}, DIGITS]}
    return [{"const": "keep"}, {"type": "array", "minItems": 1, "items": weight}]


def pins(key):
    cpu = {"anyOf": [{"type": "integer", "minimum": 0}, DIGITS, NULL]}
    return [{"type": "object", "patternProperties": {"^[0-9]+$": cpu},
             "additionalProperties": False}]


def mapping(key):
    return [map_of(key["keys"])]


def map_or_word(key):
    return [map_of(key["keys"]), *words_of(key)]


def entries(key):
    return [{"type": "array", "items": map_of(key["keys"])}]


def by_name(key):
    return [{"type": "object", "additionalProperties": {"anyOf": [map_of(key["keys"]), NULL]}}]


SHAPES = {
    "version": lambda key: [{"enum": [1, "1"]}],
    "bool": truth,
    "word": words_of,
    "number": number,
    "duration": quantity("us|ms|s|m|h"),
    "size": quantity("K|M|G"),
    "macaddress": text("^[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2}){5}$"),
    "name": lambda key: [NAME],
    "names": names,
    "text": lambda key: [NAME],
    "vlans": ranges(False),
    "cpus": ranges(True),
    "cpus-or-auto": ranges(False, ("auto",)),
    "groups-or-auto": groups,
    "weights-or-keep": weights,
    "listen": text(r"^(none|127(\.[0-9]{1,3}){3}:[0-9]{1,5}|\[::1\]:[0-9]{1,5}|/.*[^/])$"),
    "pins": pins,
    "map": mapping,
    "map-or-word": map_or_word,
    "map-or-bool": lambda key: [map_of(key["keys"]), *truth(key)],
    "entries": entries,
    "by-name": by_name,
}


def of_key(key):
    """An empty or null value is an absent key."""
    value = {"description": key["help"], "anyOf": [*SHAPES[key["shape"]](key), NULL]}
    if key["needs"]:
        value["description"] += f" (needs {key['needs']})"
    return value


def map_of(keys):
    properties = {}
    for key in keys:
        if key["shape"] is None:
            properties[key["name"]] = {"description": "not supported yet", **NULL}
            continue
        properties[key["name"]] = of_key(key)
        if key["alias"]:
            properties[key["alias"]] = {**of_key(key), "deprecated": True}
    required = [key["name"] for key in keys if key["required"]]
    return {"type": "object", "properties": properties, "additionalProperties": False,
            **({"required": required} if required else {})}


def generate(tables):
    schema = {"$schema": "http://json-schema.org/draft-07/schema#",
              "title": "viaduct.yaml", "description": "Configuration of viaductd(8)",
              **map_of(tables.all["keys"])}
    return json.dumps(schema, indent=1) + "\n"
