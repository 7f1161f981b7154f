"""The list of time zones."""

import zoneinfo

from blog.text import time_zones


def test_zones_are_those_of_regions_and_utc() -> None:
    names = time_zones.zone_names()
    assert names[0] == "UTC"
    assert {"Europe/Berlin", "America/Argentina/Ushuaia", "Asia/Calcutta", "Asia/Kolkata", "Pacific/Apia"} <= set(names)
    assert not {"localtime", "Factory", "EST5EDT", "posixrules", "Etc/GMT+5"} & set(names)
    for name in names:
        assert zoneinfo.ZoneInfo(name).key == name


def test_each_zone_has_a_place_in_its_region() -> None:
    regions = time_zones.zones_by_region()
    assert ("America/Argentina/Ushuaia", "Argentina: Ushuaia") in regions["America"]
    assert ("America/New_York", "New York") in regions["America"]
    assert 1 + sum(map(len, regions.values())) == len(time_zones.zone_names())
