"""What happens to the machines of the demo: who makes which move, and why. scripts/demo_fleet.py plays it."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from redis_state import Definition

GALLERY = Path(__file__).resolve().parents[1] / "docs/gallery"


class Step(NamedTuple):
    """A move that people make from a state: by an event, or to a state where moves have no names."""

    event: str
    weight: float
    who: list[str]
    why: list[str]
    to: str | None = None


@dataclass
class Story:
    """What happens to the machines of one file. `timers` has the seconds that a state's timer gets, from and to."""

    file: str
    key: str
    machines: int
    steps: dict[str, list[Step]]
    timers: dict[str, tuple[float, float]] = field(default_factory=dict)
    # What the file doesn't say: machines without a name are no fleet.
    more: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        document = Definition.from_json((GALLERY / self.file).read_text()).to_document()
        self.definition = Definition.from_document({**document, **self.more})
        named = {step.event for steps in self.steps.values() for step in steps}
        # Those of `any` are allowed nearly everywhere.
        self.events = named - {"", *self.definition.any}
        self.numbers = itertools.count(1001)


def to(state: str, weight: float, who: list[str], why: list[str]) -> Step:
    return Step("", weight, who, why, state)


CUSTOMERS = ["Amina Diallo", "Jonas Weber", "Priya Nair", "Tomás Rivera", "Yuki Tanaka", "Zoë Martin", "Lukas Novák"]
CLERKS = ["clerk 3", "clerk 7", "clerk 12", "packing line 2"]
SUPPORT = ["support: Ben", "support: Ifeoma", "support: Sara"]
CARRIER = ["carrier: driver 14", "carrier: driver 31", "carrier: depot north"]
BANK = ["webhook: bank", "webhook: card network"]
EDITORS = ["Anna", "Mehmet", "Chloé", "Rafael"]
REVIEWERS = ["review: Ines", "review: Oskar"]
DEVICES = ["device 11", "device 42", "device 57", "device 86"]
OPERATORS = ["operator: Kim", "operator: Dragan"]
BROKER = ["message broker"]
CARDS = ["card 4242", "card 0005", "bank transfer", "voucher 17-A"]
NONE = [""]

ORDER = Story(
    "order.json",
    "order:{}",
    800,
    {
        "new": [
            Step("pay", 8, CUSTOMERS, CARDS),
            Step("cancel", 1, CUSTOMERS, ["changed my mind", "found it cheaper"]),
            Step("hold", 0.4, SUPPORT, ["fraud check", "address looks wrong"]),
        ],
        "paid": [
            Step("pack", 9, CLERKS, ["shelf 4", "shelf 11", "cold store"]),
            Step("refund", 0.5, SUPPORT, ["out of stock"]),
            Step("hold", 0.5, SUPPORT, ["waits for stock", "customs form missing"]),
        ],
        "packed": [
            Step("ship", 9, CLERKS, ["parcel 81-334", "parcel 81-702", "pallet 9"]),
            Step("refund", 0.3, SUPPORT, ["damaged while packing"]),
        ],
        "shipped": [
            Step("deliver", 9, CARRIER, ["left with a neighbour", "signed for", "parcel shop"]),
            Step("return", 0.6, CARRIER, ["nobody at home", "address unknown"]),
        ],
        "delivered": [
            Step("return", 1, CUSTOMERS, ["too small", "not as in the picture"]),
            Step("close", 3, SUPPORT, ["customer is happy"]),
        ],
        "returned": [Step("refund", 1, SUPPORT, ["arrived back complete"])],
        "on hold": [
            Step("release", 2, SUPPORT, ["check passed"], "paid"),
            Step("release", 1, SUPPORT, ["check passed"], "new"),
            Step("release", 1, SUPPORT, ["address corrected"], "shipped"),
        ],
    },
    {"new": (15, 180), "delivered": (30, 240)},
)
PAYMENT = Story(
    "payment.json",
    "payment:{}",
    400,
    {
        "created": [
            Step("authorize", 6, BANK, CARDS),
            Step("challenge", 3, BANK, ["3-D Secure asked for"]),
            Step("fail", 1, BANK, ["insufficient funds", "card expired"]),
        ],
        "requires_action": [
            Step("authorize", 4, CUSTOMERS, ["code confirmed"]),
            Step("fail", 1, BANK, ["wrong code three times"]),
        ],
        "authorized": [
            Step("capture", 8, ["shop"], ["parcel handed over", "EUR 59.90", "EUR 214.00"]),
            Step("void", 1, ["shop"], ["order cancelled"]),
        ],
        "captured": [
            Step("refund", 2, SUPPORT, ["12.50", "7.90"], "partially_refunded"),
            Step("refund", 2, SUPPORT, ["all of it"], "refunded"),
            Step("dispute", 1, BANK, ["cardholder doesn't know the charge"]),
        ],
        "partially_refunded": [
            Step("refund", 2, SUPPORT, ["4.00", "second item"], "partially_refunded"),
            Step("refund", 3, SUPPORT, ["the rest"], "refunded"),
            Step("dispute", 0.5, BANK, ["amount differs"]),
        ],
        "disputed": [
            Step("win", 2, BANK, ["receipt accepted"], "captured"),
            Step("win", 1, BANK, ["receipt accepted in part"], "partially_refunded"),
            Step("lose", 1, BANK, ["no proof of delivery"]),
        ],
    },
    {"requires_action": (10, 90), "authorized": (40, 300)},
)
PUBLICATION = Story(
    "publication.json",
    "page:{}",
    250,
    {
        "draft": [
            Step("submit", 8, EDITORS, ["ready", "second version"]),
            Step("force_publish", 0.3, ["chief editor"], ["breaking news"]),
            Step("archive", 0.6, EDITORS, ["no longer needed"]),
        ],
        "in review": [
            Step("approve", 5, REVIEWERS, ["reads well", "facts checked"]),
            Step("reject", 2, REVIEWERS, ["source missing", "too long"]),
        ],
        "approved": [
            Step("schedule", 5, EDITORS, ["for the evening", "after the embargo"]),
            Step("publish", 3, EDITORS, NONE),
            Step("reject", 0.5, REVIEWERS, ["new facts"]),
        ],
        "scheduled": [Step("publish", 1, EDITORS, ["now after all"]), Step("unschedule", 1, EDITORS, ["not today"])],
        "published": [
            Step("unpublish", 2, EDITORS, ["out of date", "typo in the headline"]),
            Step("archive", 1, EDITORS, NONE),
        ],
        "archived": [Step("restore", 1, EDITORS, ["it is asked for again"])],
    },
    {"scheduled": (10, 120)},
)
DEVICE_JOB = Story(
    "device-job.json",
    "job:{}",
    250,
    {
        "queued": [
            Step("start", 8, DEVICES, ["firmware 2.4.1", "new certificate"]),
            Step("reject", 0.5, DEVICES, ["battery low"]),
            Step("cancel", 0.5, OPERATORS, ["wrong group"]),
        ],
        "in progress": [
            Step("progress", 6, DEVICES, ["20 %", "45 %", "70 %", "95 %"]),
            Step("succeed", 3, DEVICES, ["verified"]),
            Step("fail", 0.6, DEVICES, ["checksum wrong", "no space left"]),
            Step("cancel", 0.2, OPERATORS, ["rolled back"]),
        ],
        **{
            done: [Step("remove", 1, OPERATORS, ["looked at"])]
            for done in ("succeeded", "failed", "rejected", "cancelled", "timed out")
        },
    },
    {"in progress": (20, 100), "removed": (10, 60)},
)
SESSION = Story(
    "session.json",
    "session:{}",
    200,
    {
        "anonymous": [to("authenticating", 1, CUSTOMERS, NONE)],
        "authenticating": [
            to("second_factor", 5, NONE, NONE),
            to("active", 2, NONE, ["known device"]),
            to("locked", 0.4, NONE, ["five wrong passwords"]),
        ],
        "second_factor": [to("active", 6, NONE, ["code by text message"]), to("anonymous", 1, NONE, ["gave up"])],
        "locked": [to("anonymous", 1, SUPPORT, ["caller identified"])],
        "active": [
            to("idle", 5, NONE, NONE),
            to("logged_out", 2, CUSTOMERS, NONE),
            to("revoked", 0.2, SUPPORT, ["password changed elsewhere"]),
        ],
        "idle": [to("active", 4, CUSTOMERS, NONE)],
    },
    {"idle": (20, 90)},
    {"name": "session", "revision": 1, "history": 20, "after": {"idle": {"ms": 1_800_000, "to": "expired"}}},
)
IOT_DEVICE = Story(
    "iot-device.json",
    "device:{}",
    120,
    {
        "manufactured": [to("provisioned", 1, ["factory"], ["batch 2026-11"])],
        "provisioned": [to("online", 1, BROKER, NONE)],
        "online": [
            to("offline", 6, BROKER, ["no ping"]),
            to("updating", 3, OPERATORS, ["firmware 2.4.1"]),
            to("faulty", 0.5, ["monitor"], ["sensor out of range"]),
            to("retired", 0.1, OPERATORS, ["replaced"]),
        ],
        "offline": [to("online", 6, BROKER, ["back"])],
        "updating": [to("online", 6, ["update service"], ["verified"]), to("faulty", 1, NONE, ["doesn't boot"])],
        "faulty": [to("updating", 2, OPERATORS, ["again"]), to("retired", 0.5, OPERATORS, ["beyond repair"])],
        "lost": [to("online", 3, BROKER, ["turned up"]), to("retired", 1, OPERATORS, ["written off"])],
    },
    {"offline": (20, 160)},
    {"name": "iot device", "revision": 1, "history": 30, "after": {"offline": {"ms": 86_400_000, "to": "lost"}}},
)
STORIES = [ORDER, PAYMENT, PUBLICATION, DEVICE_JOB, SESSION, IOT_DEVICE]
