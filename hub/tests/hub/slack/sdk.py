"""What Slack publishes for whoever talks to it (slack_sdk), asked one line of JSON at a time: it signs calls as Slack does, says
whether it believes one, and looks at the blocks of messages."""

import json
import logging
import sys

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.signature import SignatureVerifier


class Told(logging.Handler):
    """Keys and elements that the library does not know it warns of, and leaves out."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def same(block):
    """Without what is empty, which is how the library writes it."""
    if isinstance(block, dict):
        return {key: same(value) for key, value in block.items() if value is not None}
    return [same(item) for item in block] if isinstance(block, list) else block


def blocks(asked):
    told = Told()
    logging.getLogger().handlers = [told]
    try:
        parsed = Block.parse_all(asked["blocks"])
        for block, sent in zip(parsed, asked["blocks"], strict=True):
            if block is None:
                return f"no block: {sent}"
            block.validate_json()
            if same(block.to_dict()) != same(sent):
                return f"{block.to_dict()} is what it made of {sent}"
    except (SlackObjectFormationError, TypeError, ValueError) as why:
        return str(why)
    return told.said[0] if told.said else None


def signs(asked):
    return SignatureVerifier(asked["secret"]).generate_signature(timestamp=asked["at"], body=asked["body"])


def believes(asked):
    return SignatureVerifier(asked["secret"]).is_valid_request(asked["body"], asked["heads"])


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"blocks": blocks, "signs": signs, "believes": believes}[asked["what"]](asked)), flush=True)
