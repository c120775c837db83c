"""Has access asked for, agreed to and revoked by a client that somebody else's program made of the document of the API.

    generated.py URL AUTHORITY ADMIN

The client is the package jit_api beside, ADMIN the token of an administrator. Says the grant's id and the refusals that it
met, one JSON object.
"""

import json
import ssl
import sys
import uuid

from jit_api import AuthenticatedClient
from jit_api.api.hub import (
    get_fleet,
    get_grants_id,
    get_requests,
    get_requests_id,
    post_grants_id_revoke,
    post_requests,
    post_requests_id_reviews,
    post_tokens,
)
from jit_api.models import (
    EndGrant,
    GetRequestsWhich,
    GrantState,
    GrantView,
    MadeToken,
    NewRequest,
    NewReview,
    NewToken,
    NewVerdict,
    Opened,
    Problem,
    Reviewed,
    Scope,
)

url, authority, admin = sys.argv[1:]
trust = ssl.create_default_context(cafile=authority)


def client(token):
    return AuthenticatedClient(base_url=url, token=token, verify_ssl=trust)


def known(kind, answer):
    assert isinstance(answer, kind), answer
    return answer


def person(name, *scopes):
    new = NewToken(name="a generated client", person=name, scopes=[Scope(scope) for scope in scopes], for_="1h")
    return client(known(MadeToken, post_tokens.sync(client=client(admin), body=new)).secret)


alice, bob = person("alice", "request", "read"), person("bob", "review", "read")
host = get_fleet.sync(client=client(admin))[0].host

new = NewRequest(hosts=[host], services=["ssh"], reason="the import hangs", for_="1h")
key = str(uuid.uuid4())
opened = known(Opened, post_requests.sync(client=alice, body=new, idempotency_key=key))
again = known(Opened, post_requests.sync(client=alice, body=new, idempotency_key=key))
id = opened.request.ask.id
assert again.request.ask.id == id

assert [waits.ask.id for waits in get_requests.sync(client=bob, which=GetRequestsWhich.PENDING)] == [id]
seen = get_requests_id.sync(client=bob, id=id)
yes = NewReview(digest=seen.digest, verdict=NewVerdict.APPROVE, comment="go")
own = known(Problem, post_requests_id_reviews.sync(client=alice, id=id, body=yes, idempotency_key=str(uuid.uuid4())))
reviewed = known(Reviewed, post_requests_id_reviews.sync(client=bob, id=id, body=yes, idempotency_key=str(uuid.uuid4())))
grant = reviewed.grant.grant.id
assert get_grants_id.sync(client=alice, id=grant).grant.approved_by == ["bob"]

wrong = EndGrant(reason="wrong host")
ended = known(GrantView, post_grants_id_revoke.sync(client=bob, id=grant, body=wrong, idempotency_key=str(uuid.uuid4())))
assert ended.state == GrantState.REVOKED, ended
stranger = known(Problem, get_requests.sync(client=client("jit_nobody")))
print(json.dumps({"grant": grant, "own": own.code.value, "stranger": stranger.code.value}))
