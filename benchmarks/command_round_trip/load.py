"""The load generator, a separate process: an order on stdin as JSON, figures on stdout."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import uvloop

from .enrolling import MqttEnrolment
from .screens import DEADLINE_S, MqttSite, Screen, Site, WebSocketSite
from .work import JOBS, Pair, filling

Figures = dict[str, float]
UNDER_WAY = 100
"""Concurrent connection attempts."""
WARM_UP_S = 0.7


class Servers:
    """The processes under test: their CPU time and memory."""

    def __init__(self, pids: list[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]

    def cpu_s(self) -> float:
        """Return the CPU seconds of all processes, user and system."""
        times = [process.cpu_times() for process in self._processes]
        return sum(each.user + each.system for each in times)

    def rss_mb(self) -> float:
        """Return the resident memory of all processes."""
        return sum(each.memory_info().rss for each in self._processes) / 1e6


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Load:
    """The screens of one run, and its measurements."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.servers = Servers(order["pids"])
        self.pairs: list[Pair] = []
        self.site: Site
        self.plan: list[tuple[str, str, str]] = []
        """Session, host, patient."""
        self.sent = 0

    async def prepare(self) -> None:
        """Enroll devices and open sessions, or use those that the peer was started with."""
        order = self.order
        if "admin" in order:
            enrolment = MqttEnrolment(order["port"], order["admin"])
            secrets, self.plan = await enrolment.run(order["sessions"])
        else:
            secrets, self.plan = order["secrets"], [tuple(line) for line in order["plan"]]
        if order["over"] == "mqtt":
            self.site = MqttSite(order["port"], secrets, order["lobby"])
        else:
            self.site = WebSocketSite(order["port"], secrets)

    async def gather(self) -> Figures:
        """Connect all screens, until each shows that the other one is online."""
        gate = asyncio.Semaphore(UNDER_WAY)

        async def one(device: str, session: str) -> Screen:
            async with gate:
                return await self.site.screen(device, session)

        before, begin = self.servers.cpu_s(), time.perf_counter()
        screens = await asyncio.gather(
            *(one(device, session) for session, *both in self.plan for device in both)
        )
        for screen in screens:
            await screen.until(lambda s=screen: _shows_other(s.view.payload))  # type: ignore[misc]
        spent, cpu = time.perf_counter() - begin, self.servers.cpu_s() - before
        for (session, *_), host, patient in zip(
            self.plan, screens[::2], screens[1::2], strict=True
        ):
            self.pairs.append(Pair(session, host, patient))
            self.pairs[-1].listen()
        await asyncio.sleep(0.5)
        return {"seconds": spent, "cpu_s": cpu, "rss_mb": self.servers.rss_mb()}

    async def fill(self) -> None:
        """Complete the first step as every patient."""
        until = time.perf_counter() + DEADLINE_S
        await asyncio.gather(*(p.closed_loop(iter(filling()), until) for p in self.pairs))
        self.sent += sum(len(p.took) for p in self.pairs)

    async def closed(self, job: str, seconds: float) -> Figures:
        """Run a job in a closed loop in all sessions at once."""
        jobs = [JOBS[job]() for _ in self.pairs]
        with self._measured() as figures:
            until = time.perf_counter() + seconds
            await asyncio.gather(
                *(p.closed_loop(j, until) for p, j in zip(self.pairs, jobs, strict=True))
            )
        return figures

    async def paced(self, rate: float, seconds: float) -> Figures:
        """Run the guided job at a total rate of commands per second."""
        every = len(self.pairs) / rate
        begin = time.perf_counter() + 0.05
        with self._measured() as figures:
            await asyncio.gather(
                *(
                    p.paced(JOBS["guided"](), begin + n / rate, every, begin + seconds)
                    for n, p in enumerate(self.pairs)
                )
            )
        return figures

    @contextmanager
    def _measured(self) -> Iterator[Figures]:
        figures: Figures = {}
        cpu, own, begin = self.servers.cpu_s(), _own_cpu_s(), time.perf_counter()
        yield figures
        spent = time.perf_counter() - begin
        took = sorted(t for pair in self.pairs for t in pair.took)
        self.sent += len(took)
        figures |= {
            "commands": float(len(took)),
            "per_second": len(took) / spent,
            "p50_ms": statistics.median(took) * 1e3,
            "p99_ms": took[int(len(took) * 0.99)] * 1e3,
            "cpu_ms_per_1000": (self.servers.cpu_s() - cpu) * 1e6 / len(took),
            "load_cpu_share": (_own_cpu_s() - own) / spent,
        }

    async def reconnect(self, seconds: float) -> Figures:
        """Reconnect one patient after another; measure from the connect to the retained view."""
        took: list[float] = []
        until = time.perf_counter() + seconds
        connection = 1
        while time.perf_counter() < until:
            connection += 1
            for pair, (session, _, patient) in zip(self.pairs, self.plan, strict=True):
                await self._leave(pair)
                begin = time.perf_counter()
                screen = await self.site.screen(patient, session, connection=connection)
                took.append(time.perf_counter() - begin)
                screen.seq = pair.patient.seq
                pair.patient = screen
                pair.listen()
                if time.perf_counter() >= until:
                    break
        return {
            "reconnects": float(len(took)),
            "p50_ms": statistics.median(took) * 1e3,
            "p99_ms": sorted(took)[int(len(took) * 0.99)] * 1e3,
        }

    async def _leave(self, pair: Pair) -> None:
        """Close the patient's connection without DISCONNECT, and wait until the host sees it."""
        pair.patient.on_view = None
        pair.patient.close()
        host = pair.host
        await host.until(lambda: host.view.payload.count(b'"online":true') < 2)

    def check(self) -> None:
        """Check that every command sent was acknowledged, and counted once."""
        for pair in self.pairs:
            for screen in (pair.host, pair.patient):
                if screen.failed:
                    raise screen.failed
                assert screen.view.acknowledged == screen.seq, (screen.view.payload, screen.seq)
        assert self.sent == sum(p.host.seq + p.patient.seq for p in self.pairs)


def _shows_other(payload: bytes) -> bool:
    return b'"host_online":true' in payload or payload.count(b'"online":true') == 2


async def run(order: dict[str, Any]) -> dict[str, Figures]:
    """Run the ordered tasks in sequence; return their figures and the number of commands."""
    load = Load(order)
    await load.prepare()
    results = {"gather": await load.gather()}
    if order["tasks"]:
        await load.fill()
        await load.closed("guided", WARM_UP_S)
    for task in order["tasks"]:
        name, seconds = task["name"], task["seconds"]
        if name == "paced":
            results[name] = await load.paced(task["rate"], seconds)
        elif name == "reconnect":
            results[name] = await load.reconnect(seconds)
        else:
            results[name] = await load.closed(name, seconds)
    load.check()
    results["all"] = {"commands": float(load.sent), "rss_mb": load.servers.rss_mb()}
    return results


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.stdout.write(json.dumps(uvloop.run(run(json.load(sys.stdin)))))
