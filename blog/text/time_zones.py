"""Time zones of the IANA database, such as `Europe/Berlin`."""

import functools
import zoneinfo

UTC = "UTC"
_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)  # fmt: skip


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Return UTC and the names of all zones of a region, sorted. Without a database of time zones it is UTC alone.

    Left out are names without a region, such as `EST5EDT` and `localtime`. Browsers may name a zone by an older name, such as
    `Asia/Calcutta`: these are in the list.
    """
    named = zoneinfo.available_timezones()  # reads the folders of the database: 20 ms
    return (UTC, *sorted(name for name in named if name.partition("/")[0] in _REGIONS))


def zones_by_region() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the zones of each region, as pairs of a name and a label: `("Europe/Berlin", "Berlin")`."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in zone_names():
        region, _, place = name.partition("/")
        if place:
            regions.setdefault(region, []).append((name, place.replace("_", " ").replace("/", ": ")))
    return {region: tuple(zones) for region, zones in regions.items()}
