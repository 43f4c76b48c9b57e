"""Who follows which topics, and what each of them is told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.api import metrics
from services.api.freshness import Verdict
from services.api.live.client import Client
from services.api.live.feed import Judged
from services.api.live.topic import Frame, Topic
from services.api.schemas.common import Freshness, encode
from services.api.schemas.stream import Bye, Heartbeat, Reset, Resumed, StreamError, Subscription


class Judge(Protocol):
    """How fresh things are."""

    def settle(self) -> Judged:
        """Judge now; what that changes is told before anything else is."""
        ...

    def judge(self) -> Judged:
        """Judge now."""
        ...

    def freshness(self, topic: str, judged: Judged) -> Freshness:
        """The block of a topic."""
        ...


class Subscribers:
    """The clients, and the topics they follow. Whoever joins is told of it by ``joined``."""

    def __init__(self, topics: Mapping[str, Topic], judge: Judge, joined: Callable[[str], None]) -> None:
        self.clients: set[Client] = set()
        self._topics = topics
        self._judge = judge
        self._joined = joined
        self._snapshots: dict[str, tuple[str, int, int, Verdict, str]] = {}

    def follow(self, topic: str) -> bool:
        """Whether anybody follows the topic."""
        return any(topic in client.topics for client in self.clients)

    # -- joining -----------------------------------------------------------------------------------------

    def subscribe(self, client: Client, wanted: Subscription) -> None:
        """Give a client a topic: from where it left off, or from the beginning."""
        topic = self._topics.get(wanted.topic)
        if topic is None:
            known = f"There is no such topic; there are {', '.join(self._topics)}."
            unknown = StreamError(code="unknown_topic", detail=known, topic=wanted.topic)
            client.push(encode(unknown).decode())
            return
        # Before it joins: what this tells is told in what it gets.
        self._judge.settle()
        client.topics.add(topic.name)
        self._joined(topic.name)
        if not topic.has_begun:
            return  # the snapshot comes as soon as there is one
        client.served.add(topic.name)
        if wanted.epoch is None or wanted.after_seq is None:
            client.push(self.snapshot(topic.name))
            return
        resumption = topic.resume(wanted.epoch, wanted.after_seq)
        if isinstance(resumption, str):
            client.push(encode(Reset(topic=topic.name, reason=resumption)).decode())
            client.push(self.snapshot(topic.name))
            return
        self._replay(client, topic, resumption.after_seq, resumption.frames)

    def _replay(self, client: Client, topic: Topic, after_seq: int, frames: Sequence[Frame]) -> None:
        resumed = Resumed(
            topic=topic.name,
            epoch=topic.epoch,
            after_seq=after_seq,
            replayed=len(frames),
            freshness=self._judge.freshness(topic.name, self._judge.judge()),
        )
        client.push(encode(resumed).decode())
        for frame in frames:
            client.push(frame.text)

    def snapshot(self, name: str) -> str:
        """A topic as it is now; encoded once for all who ask within a second."""
        judged = self._judge.judge()
        topic = self._topics[name]
        moment = (topic.epoch, topic.seq, int(judged.now.timestamp()), judged.verdict)
        kept = self._snapshots.get(name)
        if kept is not None and kept[:4] == moment:
            return kept[4]
        text = topic.snapshot(self._judge.freshness(name, judged), judged.now)
        self._snapshots[name] = (*moment, text)
        return text

    # -- telling -----------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """Tell every client."""
        for client in self.clients:
            client.push(text)

    def hand_out(self, frame: Frame) -> None:
        """Tell a frame to those who follow its topic."""
        metrics.FRAMES.labels(frame.topic).inc()
        for client in self.clients:
            if frame.topic in client.topics:
                client.push(frame.text)

    def begin_anew(self, topics: Iterable[str], reason: str) -> None:
        """Topics began, or began anew: say so to whoever follows them."""
        for name in topics:
            reset = encode(Reset(topic=name, reason=reason)).decode()
            for client in self.clients:
                if name in client.topics:
                    if name in client.served:
                        client.push(reset)
                    client.push(self.snapshot(name))
                    client.served.add(name)

    def give_anew(self, topics: Iterable[str]) -> list[str]:
        """What a reader that fell behind is told."""
        texts = []
        for name in topics:
            if not self._topics[name].has_begun:
                continue  # it comes as soon as there is one
            metrics.RESETS.labels(name).inc()
            texts += [encode(Reset(topic=name, reason="slow_reader")).decode(), self.snapshot(name)]
        return texts

    def beat(self, now: datetime, turn: int) -> None:
        """Tell each client whose turn it is the newest sequence of its topics."""
        texts: dict[frozenset[str], str] = {}
        for client in self.clients:
            if client.turn != turn:
                continue
            topics = frozenset(client.topics)
            if topics not in texts:
                seqs = {name: self._topics[name].seq for name in sorted(topics)}
                texts[topics] = encode(Heartbeat(seqs=seqs, server_time=now)).decode()
            client.push(texts[topics])

    def say_bye(self, retry_after_ms: int) -> None:
        """Tell every client that the server is going."""
        text = encode(Bye(retry_after_ms=retry_after_ms)).decode()
        for client in self.clients:
            client.finish(text)
