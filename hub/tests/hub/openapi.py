"""Holds what was said to a running hub, and what it answered, against the document of its API, by the validators that
other people's clients are made with: openapi-spec-validator and openapi-core.

    openapi.py DOCUMENT EXCHANGES

EXCHANGES has one JSON object on each line. Says on standard output which operations were answered well, and fails at the
first thing that is otherwise than the document says.
"""

import json
import sys

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

document = json.load(open(sys.argv[1], encoding="utf-8"))
validate(document, cls=OpenAPIV31SpecValidator)
config = Config(
    extra_media_type_deserializers={
        "application/problem+json": lambda body, **_: json.loads(body),
        "text/event-stream": lambda body, **_: body.decode(),
    }
)
api = OpenAPI.from_dict(document, config=config)

done = set()
for line in open(sys.argv[2], encoding="utf-8"):
    said = json.loads(line)
    what = f"{said['method']} {said['path']}"
    request = MockRequest(
        "https://localhost",
        said["method"].lower(),
        said["path"],
        path_pattern=said["pattern"],
        view_args=said["values"],
        args=said["query"],
        headers=said["headers"],
        content_type="application/json",
        data=said["body"].encode() if said["body"] is not None else None,
    )
    response = MockResponse(
        said["answer"].encode(),
        status_code=said["status"],
        headers=said["answer_headers"],
        content_type=said["media"],
    )
    try:
        api.validate_request(request)
        fits = None
    except Exception as error:  # each kind of error is a reason
        fits = error
    if (fits is None) != said["fits"]:
        cause = getattr(fits, "__cause__", None)
        sys.exit(f"{what} says {said['body']}, which should {'' if said['fits'] else 'not '}fit: {fits}: {cause}")
    try:
        api.validate_response(request, response)
    except Exception as error:  # see above
        details = getattr(error.__cause__, "schema_errors", None) or error.__cause__
        sys.exit(f"{what} answers {said['status']} {said['answer']}: {error}: {details}")
    if said["status"] == 200:
        done.add(f"{said['method']} {said['pattern']}")

print(json.dumps(sorted(done)))
