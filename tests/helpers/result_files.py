"""A result file's contents with every key that it must have, for tests that care about a few of them."""

EMPTY = {
    "set": "test",
    "metric": "PER",
    "rate": 0.0,
    "interval": None,
    "convention": "39 phones",
    "conventions": [{"name": "standard", "title": "39 phones", "metric": "PER", "rate": 0.0}],
    "search": {"decoder": "greedy"},
    "speakers": None,
    "seed": 1,
    "commit": "0123456789ab",
    "bundle": "best.safetensors",
    "bundle_sha256": "b" * 64,
    "manifest_sha256": "a" * 64,
} | dict.fromkeys(("hits", "substitutions", "deletions", "insertions", "errors", "total", "utterances"), 0)
