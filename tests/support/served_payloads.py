"""Which address of which source answers with which payload of `tests/fetchers/data`."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fetchers.aws import LOCATIONS, on_demand_url
from fetchers.gpuhunt import PROVIDERS as GPUHUNT_PROVIDERS
from fetchers.skypilot import CLOUDS as SKYPILOT_CLOUDS

DATA = Path(__file__).parents[1] / "fetchers" / "data"


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


def matches(wanted: Mapping[str, str], params: Mapping[str, str], body: str) -> bool:
    """Whether a request has every part that an entry of `PAYLOADS` asks for."""
    sent = {**params, "body": body}
    return all(part in sent.get(key, "") for key, part in wanted.items())


def payload_for(url: str, body: str = "") -> str | None:
    """The payload a request is answered with, or None for an address that nobody serves."""
    parts = urlsplit(url)
    params = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    place = f"{parts.scheme}://{parts.netloc}{parts.path}"
    for entries in PAYLOADS.values():
        for address, wanted, name in entries:
            if address == place and matches(wanted, params, body):
                return name
    return None
