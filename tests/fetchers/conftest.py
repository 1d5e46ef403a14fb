"""Recorded answers of the sources, and the ways to serve them: through `responses`, or from a local server."""

from __future__ import annotations

import io
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import responses

from fetchers import FETCHERS, FetchResult
from fetchers.aws import LOCATIONS, on_demand_url
from fetchers.gpuhunt import PROVIDERS as GPUHUNT_PROVIDERS
from fetchers.http import CappedRetry, SourceSession, source_session
from fetchers.skypilot import CLOUDS as SKYPILOT_CLOUDS

DATA = Path(__file__).parent / "data"


def body_of(name: str) -> bytes:
    """A payload; ``x.zip`` holds the ``x.csv`` beside it, ``x.tar.gz`` the files of the folder ``x``."""
    path = DATA / name
    packed = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path.with_suffix(".csv"), f"{path.stem}.csv")
    elif name.endswith(".tar.gz"):
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for file in sorted((DATA / name.removesuffix(".tar.gz")).iterdir()):
                archive.add(file, f"./{file.name}")
    else:
        return path.read_bytes()
    return packed.getvalue()


OBSERVED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

GPUHUNT = "https://dstack-gpu-pricing.s3.eu-west-1.amazonaws.com/v3"
OPENROUTER = "https://openrouter.ai/api/v1/models"
SKYPILOT = "https://raw.githubusercontent.com/skypilot-org/skypilot-catalog/master/catalogs/v8"
GOOGLE = "https://cloudbilling.googleapis.com/v1/services"
AZURE = "https://prices.azure.com/api/retail/prices"
IONET = "https://api.io.solutions"
PRIME = "https://api.primeintellect.ai/api/v1/availability/gpus"
VAST = "https://console.vast.ai/api/v0/bundles/"
# Source -> (address, parts of parameters, or of the "body" of a POST, that must be there; payload).
PAYLOADS: dict[str, tuple[tuple[str, dict[str, str], str], ...]] = {
    "akash": (
        ("https://console-api.akash.network/v1/gpu-prices", {}, "akash/gpu-prices.json"),
        ("https://console-api.akash.network/v1/gpu-breakdown", {}, "akash/gpu-breakdown.json"),
        ("https://console-api.akash.network/v1/providers", {}, "akash/providers.json"),
        ("https://console-api.akash.network/v1/dashboard-data", {}, "akash/dashboard.json"),
        ("https://console-api.akash.network/v1/bme/dashboard-data", {}, "akash/burn-mint.json"),
        ("https://console-api.akash.network/v1/bme/status-history", {}, "akash/burn-mint-status.json"),
    ),
    "aws": (
        *((on_demand_url(location), {}, f"aws/{region}.json") for region, location in LOCATIONS.items()),
        ("https://website.spot.ec2.aws.a2z.com/spot.json", {}, "aws/spot.json"),
        ("https://spot-bid-advisor.s3.amazonaws.com/spot-advisor-data.json", {}, "aws/spot-advisor.json"),
        (
            "https://raw.githubusercontent.com/koyakimu/ec2-capacity-blocks-for-ml-pricing-json"
            "/refs/heads/main/data/pricing.json",
            {},
            "aws/capacity-blocks.json",
        ),
    ),
    "azure": (
        (AZURE, {"$filter": "ND", "$skip": "1000"}, "azure/nd-2.json"),
        (AZURE, {"$filter": "ND"}, "azure/nd-1.json"),
        (AZURE, {"$filter": "NC"}, "azure/nc.json"),
        (AZURE, {"$filter": "NV"}, "azure/nv.json"),
    ),
    "chutes": (
        ("https://api.chutes.ai/pricing", {}, "chutes/pricing.json"),
        ("https://api.chutes.ai/daily_revenue_summary", {}, "chutes/revenue.json"),
    ),
    "clore": (("https://api.clore.ai/v1/marketplace", {}, "clore/marketplace.json"),),
    "fluence": (
        ("https://api.fluence.dev/gpu/plans/", {}, "fluence/containers.json"),
        ("https://api.fluence.dev/gpu/plans/vms", {}, "fluence/vms.json"),
        ("https://api.fluence.dev/gpu/plans/baremetal", {}, "fluence/baremetal.json"),
    ),
    "golem": (("https://api.stats.golem.network/v2/network/online", {}, "golem/online.json"),),
    "google": (
        (f"{GOOGLE}/6F81-5844-456A/skus", {"pageToken": "cGFnZS0y"}, "google/compute-2.json"),
        (f"{GOOGLE}/6F81-5844-456A/skus", {"currencyCode": "USD"}, "google/compute-1.json"),
        (f"{GOOGLE}/E000-3F24-B8AA/skus", {"currencyCode": "USD"}, "google/tpu.json"),
    ),
    "gpuhunt": (
        *((f"{GPUHUNT}/{provider}/version", {}, "gpuhunt/version.txt") for provider in GPUHUNT_PROVIDERS),
        *(
            (f"{GPUHUNT}/{provider}/20261121-7/catalog.zip", {}, f"gpuhunt/{provider}.zip")
            for provider in GPUHUNT_PROVIDERS
        ),
    ),
    "hyperbolic": (
        ("https://api.hyperbolic.ai/v2/alpha/on-demand/rental-options", {}, "hyperbolic/options.json"),
        ("https://api.hyperbolic.ai/v2/on-demand/rental-options", {}, "hyperbolic/options.json"),
    ),
    "ionet": (
        (f"{IONET}/v1/io-cloud/vmaas/hardware", {}, "ionet/machines.json"),
        (f"{IONET}/v1/io-cloud/caas/hardware", {}, "ionet/replicas.json"),
        (f"{IONET}/enterprise/v1/io-cloud/caas/hardware", {}, "ionet/containers.json"),
        (f"{IONET}/v1/io-explorer/network/market-snapshot", {"hardware_type": "gpu"}, "ionet/market.json"),
        (f"{IONET}/enterprise/v1/io-cloud/caas/price", {"hardware_id": "203"}, "ionet/container-quote.json"),
    ),
    "litellm": (
        (
            "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
            {},
            "litellm/map.json",
        ),
    ),
    "lium": (
        ("https://lium.io/api/executors", {}, "lium/executors.json"),
        ("https://lium.io/api/machines", {}, "lium/machines.json"),
    ),
    "models_dev": (("https://models.dev/api.json", {}, "models_dev/api.json"),),
    "nosana": (
        ("https://api.nosana.com/api/markets/", {}, "nosana/markets.json"),
        ("https://api.nosana.com/api/jobs/running", {}, "nosana/jobs-running.json"),
        ("https://api.nosana.com/api/stats/nodes-country", {}, "nosana/nodes-country.json"),
        ("https://api.nosana.com/api/stats", {}, "nosana/stats.json"),
    ),
    "opencomputeprices": (
        (
            "https://github.com/thatkavish/OpenComputePrices/releases/download/latest-data/data.tar.gz",
            {},
            "opencomputeprices/data.tar.gz",
        ),
    ),
    "openrouter": (
        (OPENROUTER, {}, "openrouter/models.json"),
        (f"{OPENROUTER}/meta-llama/llama-3.3-70b-instruct/endpoints", {}, "openrouter/llama-3.3-70b.json"),
        (f"{OPENROUTER}/deepseek/deepseek-chat/endpoints", {}, "openrouter/deepseek-chat.json"),
    ),
    "oracle": (
        (
            "https://apexapps.oracle.com/pls/apex/cetools/api/v1/products/",
            {"currencyCode": "USD"},
            "oracle/products.json",
        ),
    ),
    "prime_intellect": (
        (PRIME, {"page": "1"}, "prime_intellect/page-1.json"),
        (PRIME, {"page": "2"}, "prime_intellect/page-2.json"),
    ),
    "render": (
        ("https://coins.llama.fi/prices/current/coingecko:render-token", {}, "render/defillama.json"),
        ("https://api.coingecko.com/api/v3/simple/price", {"ids": "render-token"}, "render/coingecko.json"),
        ("https://infra.shikumi.cc/api/v1/epochBurnStats", {"body": '"start": 0'}, "render/burn-ledger.json"),
        ("https://stats.renderfoundation.com/epoch-burn-stats-data.json", {}, "render/burn-dashboard.json"),
        ("https://stats.renderfoundation.com/api/nodes_and_frames", {}, "render/nodes.json"),
    ),
    "runpod": (("https://api.runpod.io/graphql", {}, "runpod/gpu-types.json"),),
    "salad": (
        ("https://api.salad.com/api/public/organizations/example-org/gpu-classes", {}, "salad/gpu-classes.json"),
        ("https://app-api.salad.com/api/v2/demand-monitor/gpu", {}, "salad/demand.json"),
    ),
    "skypilot": tuple(
        (
            f"{SKYPILOT}/{cloud}/vms.csv",
            {},
            f"skypilot/{cloud if (DATA / 'skypilot' / f'{cloud}.csv').exists() else 'other'}.csv",
        )
        for cloud in SKYPILOT_CLOUDS
    ),
    "spheron": (
        ("https://app.spheron.ai/api/gpu-offers", {"page": "1"}, "spheron/page-1.json"),
        ("https://app.spheron.ai/api/gpu-offers", {"page": "2"}, "spheron/page-2.json"),
    ),
    "targon": (
        ("https://api.targon.com/tha/v2/inventory", {"type": "rental", "gpu": "true"}, "targon/inventory.json"),
    ),
    "token_prices": (
        (
            "https://coins.llama.fi/prices/current/coingecko:akash-network,coingecko:io",
            {},
            "token_prices/defillama.json",
        ),
        ("https://api.coingecko.com/api/v3/simple/price", {"ids": "akash-network,io"}, "token_prices/coingecko.json"),
    ),
    "vast": (
        (VAST, {"body": '"eq": "H100 SXM"'}, "vast/h100-sxm.json"),
        (VAST, {"body": '"eq": "A100 SXM4"'}, "vast/a100-sxm4.json"),
        (VAST, {}, "vast/none.json"),
        ("https://500.farm/vastai-exporter/gpu-stats", {}, "vast/gpu-stats.json"),
    ),
}


def _has(wanted: dict[str, str]) -> Callable[[Any], tuple[bool, str]]:
    def match(request: Any) -> tuple[bool, str]:
        sent = {**request.params, **({"body": request.body.decode()} if request.body else {})}
        for key, part in wanted.items():
            if part not in sent.get(key, ""):
                return False, f"{key} has no {part}"
        return True, ""

    return match


@pytest.fixture
def observed_at() -> datetime:
    """The moment of every test."""
    return OBSERVED_AT


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Read one recorded payload."""
    return body_of


@pytest.fixture
def payloads() -> dict[str, tuple[tuple[str, dict[str, str], str], ...]]:
    """Which address of which source answers with which payload."""
    return PAYLOADS


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """A web in which only what a test puts there answers."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def serve(web: responses.RequestsMock) -> Callable[..., None]:
    """Let a source answer with its recorded payloads; `except_for` leaves addresses ending so to the test."""

    def put(source: str, *, except_for: str | None = None) -> None:
        for url, wanted, name in PAYLOADS[source]:
            if except_for is None or not url.endswith(except_for):
                for method in ("GET", "POST"):
                    web.add(method, url, body=body_of(name), match=[_has(wanted)])

    return put


@pytest.fixture
def run() -> Callable[..., FetchResult]:
    """Fetch and parse one source over whatever the web answers."""

    def fetch_and_parse(source: str, session: SourceSession | None = None) -> FetchResult:
        fetcher = FETCHERS[source]
        session = session or source_session(source, fetcher.hosts)
        return fetcher.parse(fetcher.fetch(session, observed_at=OBSERVED_AT), observed_at=OBSERVED_AT)

    return fetch_and_parse


@pytest.fixture(autouse=True)
def organization(monkeypatch: pytest.MonkeyPatch) -> None:
    """Salad is asked for one organisation, which the environment names."""
    monkeypatch.setenv("SALAD_ORGANIZATION", "example-org")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds a retry would have waited; nothing sleeps."""
    waited: list[float] = []

    def note(self: CappedRetry, response: Any = None) -> None:
        asked = self.get_retry_after(response) if response is not None and self.respect_retry_after_header else None
        waited.append(self.get_backoff_time() if asked is None else asked)

    monkeypatch.setattr(CappedRetry, "sleep", note)
    monkeypatch.setattr(SourceSession, "pause", lambda self, seconds, *, before: waited.append(seconds))
    return waited


class Server(ThreadingHTTPServer):
    """A server of this machine; `answers` maps a path (no query) to (status, headers, body)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.user_agents: list[str] = []

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.user_agents.append(self.headers["User-Agent"])
        status, headers, body = self.server.answers.get(self.path.partition("?")[0], (404, {}, b"nothing here"))
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A local server, for what only real sockets show."""
    with Server() as here:
        thread = threading.Thread(target=here.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield here
        here.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine where nobody listens, kept from everyone else."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
