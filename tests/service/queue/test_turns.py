"""Whose turn it is: the order is fair between projects and people, and short jobs do not wait behind long ones."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update

from gan_aug.config import parse
from gan_aug_service.database.tables import Job, JobState, now
from gan_aug_service.queue.runner import LocalRunner, ProcessStatus
from gan_aug_service.queue.supervisor import Supervisor
from gan_aug_service.queue.turns import Room, Served, Waiting, in_order, is_short, places
from tests.support.service.service_samples import NOBODY, Service


def line(*jobs: tuple[str, str]) -> list[Waiting]:
    """Jobs that came in this order, each of a project and a person."""
    return [Waiting(f"{number:03}", project, person) for number, (project, person) in enumerate(jobs)]


def order(waiting: list[Waiting], served: Served | None = None) -> list[str]:
    return [f"{job.project}{job.person}" for job in in_order(waiting, served or Served())]


class TestOrder:
    def test_projects_come_in_turn_whoever_queued_more(self) -> None:
        waiting = line(*[("lungs", "1")] * 4, *[("bones", "2")] * 2)
        assert order(waiting) == ["lungs1", "bones2", "lungs1", "bones2", "lungs1", "lungs1"]

    def test_the_project_that_was_served_last_waits(self) -> None:
        served = Served()
        served.add("lungs", "1", 100.0, working=False)
        assert order(line(("lungs", "1"), ("lungs", "1"), ("bones", "2")), served)[0] == "bones2"
        served.add("bones", "2", 200.0, working=False)
        assert order(line(("bones", "2"), ("lungs", "1")), served)[0] == "lungs1"

    def test_the_project_with_fewer_jobs_at_work_comes_first(self) -> None:
        served = Served()
        for project, times in (("lungs", 2), ("bones", 1)):
            for _ in range(times):
                served.add(project, "1", 1.0, working=True)
        assert order(line(("lungs", "1"), ("lungs", "1"), ("bones", "1"), ("bones", "1")), served) == [
            "bones1", "lungs1", "bones1", "lungs1"
        ]  # fmt: skip

    def test_people_of_a_class_come_in_turn(self) -> None:
        waiting = line(*[("class", "anna")] * 3, ("class", "ben"), ("class", "chen"))
        assert order(waiting) == ["classanna", "classben", "classchen", "classanna", "classanna"]

    def test_whom_an_administrator_put_first_comes_first(self) -> None:
        waiting = [
            Waiting("1", "lungs", "a", turn=-1),
            Waiting("2", "lungs", "a"),
            Waiting("3", "lungs", "a", turn=2),
            Waiting("4", "bones", "b", turn=1),
        ]
        assert [job.id for job in in_order(waiting, Served())] == ["3", "4", "2", "1"]

    def test_places_count_short_jobs_among_themselves(self) -> None:
        waiting = [Waiting("1", "a", "a"), Waiting("2", "a", "a", short=True), Waiting("3", "a", "a")]
        assert places(in_order(waiting, Served())) == {"1": 1, "2": 1, "3": 3}
        assert places(in_order(waiting, Served()), apart=False) == {"1": 1, "2": 2, "3": 3}


@pytest.mark.parametrize(
    ("long", "working", "takes"),
    [(0, 0, "any"), (1, 1, "any"), (2, 2, "short"), (0, 2, "any"), (0, 3, "none"), (2, 3, "none"), (3, 3, "none")],
)
def test_the_room_for_short_jobs_is_beside_that_for_long_ones(long: int, working: int, takes: str) -> None:
    assert Room(2, 1).takes(long, working) == takes
    assert Room(2, 0).takes(2, 2) == "none"


def test_which_jobs_are_short() -> None:
    def asked(counts: Any) -> Any:
        return parse({"data": {"source": "digits"}, "synthesis": {"counts": counts}}, "the test")

    assert is_short("import", asked(10**6))
    assert is_short("generate", asked({"3": 20_000}))
    assert not is_short("generate", asked({"3": 15_000, "4": 15_000}))
    assert not is_short("generate", asked(30_000))
    assert not is_short("train", asked(1))


sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


class Stub(LocalRunner):
    """Its jobs end when the test says so, and none has a process."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.settings)
        self.order: list[str] = []
        self.ended: set[str] = set()

    def start(self, ref: Any) -> None:
        self.order.append(ref.job_id)

    def status(self, ref: Any) -> ProcessStatus:
        ended = ref.job_id in self.ended
        return ProcessStatus("ended" if ended else "alive", 1, end={"exit": 0} if ended else None)

    def end(self, supervisor: Supervisor) -> None:
        """End the job that was started first of those at work."""
        self.ended.add(next(job for job in self.order if job not in self.ended))
        supervisor.tick()


@pytest.fixture
def stub(service: Service) -> Stub:
    return Stub(service)


@pytest.fixture
def keeper(service: Service, stub: Stub) -> Supervisor:
    return Supervisor(service.settings, service.components.database, stub)


class TestQueue:
    def test_a_small_job_starts_within_one_jobs_end_of_twenty_of_another_project(
        self, service: Service, stub: Stub, keeper: Supervisor
    ) -> None:
        theirs = [service.submit("train")["id"] for _ in range(20)]
        keeper.tick()
        assert stub.order == theirs[:1]
        small = service.submit("train", "stranger")["id"]
        assert service.call("GET", f"/v1/jobs/{small}", "stranger").json()["place"] == 1
        last = service.call("GET", f"/v1/jobs/{theirs[-1]}").json()
        assert (last["place"], last["state"]) == (20, "queued")
        stub.end(keeper)
        assert stub.order == [theirs[0], small]
        for _ in range(3):
            stub.end(keeper)
        assert stub.order[2:] == theirs[1:4]

    @sqlite
    def test_a_short_job_waits_for_no_long_one_and_counts_as_long_after_a_while(
        self, service: Service, stub: Stub, keeper: Supervisor
    ) -> None:
        long = [service.submit("train")["id"] for _ in range(6)]
        keeper.tick()
        shorts = [service.submit("import")["id"] for _ in range(3)]
        keeper.tick()
        assert stub.order == [long[0], shorts[0]]
        stub.ended.add(shorts[0])
        keeper.tick()
        assert stub.order == [long[0], *shorts[:2]]
        database = service.components.database
        with database.writing() as session:
            session.execute(update(Job).where(Job.id == shorts[1]).values(taken=now().replace(year=2020)))
        stub.ended.add(long[0])
        keeper.tick()
        assert stub.order == [long[0], *shorts]  # a long one does not come beside it

    @sqlite
    def test_a_paused_job_lets_others_pass(self, service: Service, stub: Stub, keeper: Supervisor) -> None:
        first, second = (service.submit("train")["id"] for _ in range(2))
        paused = service.call("PUT", f"/v1/jobs/{first}/pause").json()
        assert paused["paused"]
        assert paused["place"] is None
        keeper.tick()
        assert stub.order == [second]
        assert service.call("PUT", f"/v1/jobs/{second}/pause").status_code == 409
        assert service.call("DELETE", f"/v1/jobs/{first}/pause").json()["place"] == 1
        stub.end(keeper)
        assert stub.order == [second, first]

    def test_a_paused_queue_starts_nothing_and_says_who_paused_it(
        self, service: Service, stub: Stub, keeper: Supervisor
    ) -> None:
        job = service.submit("train")["id"]
        for _ in range(2):
            assert service.call("PUT", "/v1/queue/pause", "admin").status_code == 204
        keeper.tick()
        queue = service.call("GET", "/v1/queue", "viewer").json()
        assert (queue["paused_by"], queue["waiting"], queue["items"][0]["id"], stub.order) == ("admin", 1, job, [])
        service.call("DELETE", "/v1/queue/pause", "admin")
        keeper.tick()
        assert stub.order == [job]
        audit = service.call("GET", "/v1/audit", "admin").json()["items"]
        assert [entry["action"] for entry in audit][:2] == ["queue.continue", "queue.pause"]

    def test_an_administrator_orders_the_queue(self, service: Service) -> None:
        jobs = [service.submit("train")["id"] for _ in range(3)]

        def listed(who: str = "editor") -> list[str]:
            return [job["id"] for job in service.call("GET", "/v1/queue", who).json()["items"]]

        def move(job: str, turn: str) -> None:
            answer = service.call("PUT", f"/v1/jobs/{job}/turn", "admin", json={"turn": turn})
            assert answer.status_code == 200, answer.text

        assert listed() == jobs
        move(jobs[2], "first")
        move(jobs[1], "first")
        assert listed() == [jobs[1], jobs[2], jobs[0]]
        move(jobs[1], "last")
        assert listed() == [jobs[2], jobs[0], jobs[1]]
        for job in jobs:
            move(job, "usual")
        assert listed() == jobs
        assert listed("stranger") == []

    @sqlite
    def test_five_callers(self, service: Service) -> None:
        job = service.submit("train")["id"]
        routes = {
            ("GET", "/v1/queue"): (200, 200, 200, 200, 401),
            ("PUT", "/v1/queue/pause"): (403, 403, 403, 204, 401),
            ("DELETE", "/v1/queue/pause"): (403, 403, 403, 204, 401),
            ("PUT", f"/v1/jobs/{job}/pause"): (403, 404, 200, 200, 401),
            ("DELETE", f"/v1/jobs/{job}/pause"): (403, 404, 200, 200, 401),
            ("PUT", f"/v1/jobs/{job}/turn"): (403, 403, 403, 200, 401),
            ("PUT", f"/v1/jobs/{NOBODY}/turn"): (403, 403, 403, 404, 401),
            ("GET", f"/v1/jobs/{job}/log"): (403, 404, 404, 404, 401),
        }
        for (method, path), statuses in routes.items():
            more = {"json": {"turn": "last"}} if path.endswith("turn") else {}
            for who, status in zip(("viewer", "stranger", "editor", "admin", None), statuses, strict=True):
                assert service.call(method, path, who, **more).status_code == status, (method, path, who)

    @sqlite
    def test_turns_are_remembered_by_when_they_were_taken(
        self, service: Service, stub: Stub, keeper: Supervisor
    ) -> None:
        """A job that is resumed counts as a turn of its project, though it first started long ago."""
        mine, theirs = service.submit("train")["id"], service.submit("train", "stranger")["id"]
        for _ in range(2):
            keeper.tick()
            stub.end(keeper)
        assert stub.order == [mine, theirs]
        with service.components.database.reading() as session:
            taken = {row.id: row.taken for row in session.execute(select(Job.id, Job.taken))}
        assert taken[mine] < taken[theirs]
        with service.components.database.writing() as session:
            session.execute(update(Job).where(Job.id == mine).values(state=JobState.FAILED))
        stub.ended.clear()
        service.call("POST", f"/v1/jobs/{mine}/resume")
        again = service.submit("train", "stranger")["id"]
        waiting = count()
        while len(stub.order) < 4 and next(waiting) < 4:
            keeper.tick()
            stub.ended.update(stub.order)
        assert stub.order[2:] == [mine, again]


def test_a_queue_of_thousands_is_ordered_at_once() -> None:
    waiting = [Waiting(f"{number:05}", f"p{number % 7}", f"k{number % 31}") for number in range(5000)]
    assert len(in_order(waiting, Served())) == 5000
