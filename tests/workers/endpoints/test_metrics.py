"""What is counted for each endpoint, under labels that stay few."""

import asyncio

from prometheus_client import REGISTRY

from tests.workers.endpoints.servers import (
    ask_all,
    fleet_of,
    numbered,
    state_of,
    status,
    until,
)
from tests.workers.endpoints.test_discovery import named_fleet
from tests.workers.servers import ask, http_engine, started


def sample(name: str, endpoint: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(
        f"vllm_endpoint_{name}", {"model": "stub", "endpoint": endpoint, **labels}
    )


def test_an_endpoint_that_is_set_aside_and_its_errors_are_told():
    async def main() -> list[float | None]:
        async with fleet_of(2, concurrency=8) as (engine, (one, other)):
            one.refuse = status(429)
            await ask_all(engine, numbered(40))
            await until(lambda: state_of(engine, one)["state"].startswith("set aside"))
            label = f"127.0.0.1:{one.port}"
            await until(lambda: sample("set_aside", label) == 1)
            errors = sample("errors_total", label, kind="throttled")
            assert errors == state_of(engine, one)["errors"]
            limits = [sample("limit", f"127.0.0.1:{s.port}") for s in (one, other)]
        return [*limits, sample("set_aside", label)]

    assert asyncio.run(main()) == [0, 8, 0]


def test_requests_in_flight_are_told():
    async def main() -> float | None:
        async with fleet_of(1, concurrency=3) as (engine, (server,)):
            server.hangs = True
            asked = asyncio.create_task(ask_all(engine, numbered(5)))
            label = f"127.0.0.1:{server.port}"
            await until(lambda: sample("requests_in_flight", label) == 3)
            server.hangs = False
            await asked
        return sample("requests_in_flight", label)

    assert asyncio.run(main()) == 0


def test_addresses_that_come_and_go_use_the_same_labels():
    async def main() -> None:
        async with named_fleet(3, 0) as fleet:
            for number in (1, 2, 0, 1, 2):
                fleet.tell(number)
                await fleet.until_known(number)
                await ask(fleet.engine, "ECHO x")
                await asyncio.sleep(0.03)

    asyncio.run(main())

    labels = {
        sample.labels["endpoint"]
        for family in REGISTRY.collect()
        if family.name == "vllm_endpoint_limit"
        for sample in family.samples
        if "_http._tcp" in sample.labels["endpoint"]
    }
    # No test here has more than three at once.
    assert labels <= {f"_http._tcp.vllm.test#{number}" for number in range(3)}


def test_a_connection_that_is_refused_is_told():
    async def main() -> None:
        async with fleet_of(1) as (_, (server,)):
            gone = server.url
        async with started(http_engine(gone)) as engine:
            asked = asyncio.create_task(ask(engine, "ECHO x"))
            label = gone.removeprefix("http://").removesuffix("/v1")
            await until(lambda: sample("errors_total", label, kind="connection"))
            asked.cancel()

    asyncio.run(main())
