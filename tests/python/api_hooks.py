"""What schemathesis is told of the API of bluefly beside its schema."""

import json

import schemathesis

# Nobody waits for an answer any longer, so that the whole takes seconds.
PATIENCE_S = 0.1


@schemathesis.hook
def before_call(context, case, kwargs):
    for name in ("wait", "timeout"):
        try:
            is_long = float(case.query[name]) > PATIENCE_S
        except (KeyError, TypeError, ValueError):
            # Not given, or what is refused.
            continue
        if is_long:
            case.query[name] = PATIENCE_S


@schemathesis.deserializer("application/x-ndjson")
def lines(context, response):
    return [json.loads(line) for line in response.content.splitlines()]
